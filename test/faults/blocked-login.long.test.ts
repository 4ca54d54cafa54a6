import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { openForReader } from '../support/pipes.ts';
import { withTimeLimit } from '../support/limits.ts';
import { casesOf } from '../support/long.ts';
import { startMlist, type Ended, type Started } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** A command that waits for input that never arrives. */
interface Waiting extends Started {
  /** Whether the command waits; false if it ended before. */
  readonly isWaiting: boolean;
  /** Releases the command. */
  readonly release: () => Promise<void>;
}

/** The command ends, although the input has not arrived. */
async function endOf({ child, ended, release }: Waiting, after: NodeJS.Signals | undefined): Promise<Ended> {
  try {
    if (after !== undefined) child.kill(after);
    return await ended;
  } finally {
    child.kill('SIGKILL');
    await release();
  }
}

async function expectDeadline(
  start: (limit: string) => Promise<Waiting>,
  message = /the command did not finish within \d/,
): Promise<void> {
  const result = await withTimeLimit(async (limit) => {
    const waiting = await start(limit);
    const ended = await endOf(waiting, undefined);
    return waiting.isWaiting ? ended : undefined;
  });
  expect(result).toMatchObject({ code: 7, stdout: '' });
  expect(result.stderr).toMatch(message);
}

const isLinux = process.platform === 'linux';

describe('a command that waits for a login', () => {
  let registry: RunningRegistry;
  beforeAll(async () => {
    const users = join(await temporaryFolder(), 'users');
    await writeFile(users, 'me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n');
    registry = await startRegistry({ htpasswd: users });
  });
  afterAll(() => registry.close());

  /** A pipe in place of the file with credentials. */
  async function onPipe(
    place: (pipe: string) => { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> },
    more: readonly string[],
  ): Promise<Waiting> {
    const folder = await temporaryFolder();
    const pipe = join(folder, 'config.json');
    execFileSync('mkfifo', [pipe]);
    const { args = [], env = {} } = place(pipe);
    const started = startMlist(['digest', `${registry.host}/a`, ...args, ...more], { HOME: folder, ...env });
    const writer = await openForReader(pipe, started.ended);
    return { ...started, isWaiting: writer !== undefined, release: async () => writer?.close() };
  }

  const places = [
    ['--authfile', (pipe: string) => ({ args: ['--authfile', pipe] })],
    ['REGISTRY_AUTH_FILE', (pipe: string) => ({ env: { REGISTRY_AUTH_FILE: pipe } })],
    ['DOCKER_CONFIG', (pipe: string) => ({ env: { DOCKER_CONFIG: join(pipe, '..') } })],
  ] as const;

  describe.each(casesOf(places, 3))('from a pipe without a writer, by %s', (_name, place) => {
    (isLinux ? test : test.skip)('ends at the first signal', async () => {
      const result = await endOf(await onPipe(place, []), 'SIGTERM');
      expect(result).toMatchObject({ code: 143, stdout: '' });
      expect(result.stderr).toContain('interrupted: every file and tag is complete or unchanged');
    });

    (isLinux ? test : test.skip)('ends when its time is over', async () => {
      await expectDeadline((limit) => onPipe(place, ['--deadline', limit]));
    });
  });

  /** A helper that never answers. Its child process, like that of a keychain, also has its output open. */
  async function onHelper(args: readonly string[]): Promise<Waiting> {
    const folder = await temporaryFolder();
    const marker = join(folder, 'asked');
    await mkdir(join(folder, 'bin'));
    const script = `#!/bin/sh\nsleep 600 &\necho $! > "${marker}.part"\nmv "${marker}.part" "${marker}"\nwait\n`;
    await writeFile(join(folder, 'bin', 'docker-credential-slow'), script, { mode: 0o755 });
    await writeFile(join(folder, 'config.json'), '{"credsStore":"slow"}');
    const PATH = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`;
    const started = startMlist(args, { HOME: folder, DOCKER_CONFIG: folder, PATH });
    while (started.child.exitCode === null && !existsSync(marker)) await sleep(20);
    const isWaiting = existsSync(marker);
    const release = async (): Promise<void> => {
      execFileSync('sh', ['-c', 'kill "$(cat "$1")" || true', 'sh', marker], { stdio: 'ignore' });
      return Promise.resolve();
    };
    return { ...started, isWaiting, release };
  }

  const asking = [
    ['digest', (host: string) => ['digest', `${host}/a`], 'get the credentials for '],
    ['logout', (host: string) => ['logout', host], 'remove the credentials '],
  ] as const;

  (process.platform === 'win32' ? describe.skip : describe).each(casesOf(asking, 2))(
    'from a helper that hangs: %s',
    (_n, args, what) => {
      test('ends at the first signal', async () => {
        const result = await endOf(await onHelper(args(registry.host)), 'SIGINT');
        expect(result).toMatchObject({ code: 130, stdout: '' });
        expect(result.stderr).toContain('interrupted: every file and tag is complete or unchanged');
      });

      test('ends at the time limit, and names the helper', async () => {
        const waited = new RegExp(
          `the command did not finish within \\d\\S+: still waiting to ${what}.*from docker-credential-slow`,
        );
        await expectDeadline((limit) => onHelper([...args(registry.host), '--deadline', limit]), waited);
      });
    },
  );
});
