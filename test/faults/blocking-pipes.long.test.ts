import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { withTimeLimit } from '../support/limits.ts';
import { casesOf } from '../support/long.ts';
import { startMlist } from '../support/mlist.ts';
import { openForReader } from '../support/pipes.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

const commands = [
  ['SIGTERM', 'serve', (pipe: string) => ['serve', '--addr', '127.0.0.1:0', '--htpasswd', pipe]],
  ['SIGINT', 'apply', (pipe: string) => ['apply', '-f', pipe]],
  ['SIGTERM', 'apply', (pipe: string) => ['apply', '-f', pipe]],
  ['SIGINT', 'validate', (pipe: string) => ['validate', pipe]],
  ['SIGTERM', 'create', (pipe: string) => ['create', 'localhost:1/a', '-f', pipe]],
  ['SIGTERM', 'digest', (pipe: string) => ['digest', 'localhost:1/a', '--ca-file', pipe]],
] as const;

/** Runs a command until it reads the pipe. The writer is undefined if the command ended before. */
async function reading(args: (pipe: string) => readonly string[]) {
  const folder = await temporaryFolder();
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const started = startMlist([...args(pipe)], { MLIST_WORKSPACE: join(folder, 'workspace') });
  return { ...started, writer: await openForReader(pipe, started.ended) };
}

const isLinux = process.platform === 'linux';

(process.platform === 'win32' ? describe.skip : describe)('a command that reads a pipe without a writer', () => {
  (isLinux ? test : test.skip).each(casesOf(commands, 3))('ends at the first %s: %s', async (signal, _name, args) => {
    const { child, ended, writer } = await reading(args);
    try {
      child.kill(signal);
      const result = await ended;
      expect(result).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143, stdout: '' });
      expect(result.stderr).toContain('interrupted: every file and tag is complete or unchanged');
    } finally {
      child.kill('SIGKILL');
      await writer?.close();
    }
  });

  (isLinux ? test : test.skip).each(casesOf(commands.slice(2), 3))(
    'ends when its time is over, as it does at a %s: %s',
    async (_signal, _name, args) => {
      const result = await withTimeLimit(async (limit) => {
        const { child, ended, writer } = await reading((pipe) => [...args(pipe), '--deadline', limit]);
        try {
          const result = await ended;
          return writer && result;
        } finally {
          child.kill('SIGKILL');
          await writer?.close();
        }
      });
      expect(result).toMatchObject({ code: 7, stdout: '' });
      expect(result.stderr).toMatch(/the command did not finish within \d/);
    },
  );

  // A pending read cannot be cancelled on these systems, but a second signal must still end the process.
  (isLinux ? test.skip : test).each(casesOf(commands, 3))('ends at the second %s: %s', async (signal, _name, args) => {
    const { child, ended, writer } = await reading(args);
    try {
      child.kill(signal);
      await sleep(50);
      child.kill(signal);
      expect(await ended).toMatchObject({ signal, stdout: '' });
    } finally {
      child.kill('SIGKILL');
      await writer?.close();
    }
  });
});
