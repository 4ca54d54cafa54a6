import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { temporaryFolder } from '../support/cli-harness.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { programCommand, runMlist } from '../support/mlist.ts';
import { unreadPipe } from '../support/pipes.ts';
import { describeWith } from '../support/programs.ts';
import { headerOf } from '../store/archive/tar-bytes.ts';

/** Archives in real pipes, with the built program. The bash of Windows has no named pipes. */
const describeWithPipes = process.platform === 'win32' ? describe.skip : describeWith.bind(undefined, 'bash');

describeWithPipes('archives in pipes', () => {
  let registry: RunningRegistry;
  let source: string;
  let folder: string;
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(registry.url, 'team/app', 'v1', makeImage({ noise: 3_000_000 }));
    source = `${registry.host}/team/app:v1`;
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    folder = await temporaryFolder();
    env = { MLIST_WORKSPACE: join(folder, 'workspace'), TMPDIR: folder };
  });

  const program = programCommand()
    .map((word) => `'${word}'`)
    .join(' ');

  /** Runs a shell script in which `mlist` is the built program. */
  function shell(
    script: string,
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
    const child = spawn('bash', ['-c', `mlist() { ${program} "$@"; }\nset -o pipefail\n${script}`], {
      cwd: folder,
      env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env },
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    return new Promise((resolve) => {
      child.once('close', (code) =>
        resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
    });
  }

  test.each(casesOf(['', '--archive-compression gzip'], 2, 1))(
    'one command reads what the other writes %s',
    async (flags) => {
      const target = `${registry.host}/copied/app${flags === '' ? '' : '-gzip'}:v1`;
      const script = `mlist copy ${source} oci-archive:- ${flags} | mlist copy oci-archive:- ${target}`;
      const { code, stdout, stderr } = await shell(script);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const digest = (await runMlist(['digest', source], env)).stdout;
      expect(stdout).toBe(digest);
      expect((await runMlist(['digest', target], env)).stdout).toBe(digest);
    },
  );

  test('a file on stdout is complete', async () => {
    expect(await shell(`mlist copy ${source} oci-archive:- > app.tar`)).toMatchObject({ code: 0 });
    await shell(`mlist copy ${source} oci-archive:other.tar`);
    const [one, two] = await Promise.all(['app.tar', 'other.tar'].map((name) => readFile(join(folder, name))));
    expect(one!.equals(two!)).toBe(true);
  });

  test.each(casesOf([[[]], [['--archive-compression', 'gzip']], [['--json']]], 3))(
    'exit code 141 without a message if nobody reads the archive %j',
    async (flags) => {
      const pipe = cleanup(await unreadPipe());
      const ended = await runMlist(['copy', source, 'oci-archive:-', ...flags], env, { stdout: pipe.fd });
      expect(ended.code).toBe(141);
      expect(ended.stderr).not.toMatch(/^mlist: |"type":"error"/m);
    },
  );

  (process.platform === 'linux' ? test : test.skip)(
    'exit code 1 and one message if stdout is a full disk',
    async () => {
      const { code, stderr } = await shell(`mlist copy ${source} oci-archive:- > /dev/full`);
      expect(code).toBe(1);
      expect(stderr.match(/^mlist: /gm)).toHaveLength(1);
      expect(stderr).toContain('cannot write stdout');
    },
  );

  (process.platform === 'linux' ? test : test.skip).each(casesOf(['SIGTERM', 'SIGKILL'], 2, 1))(
    'nothing is left in the folder for temporary files after %s',
    async (signal) => {
      await writeFile(
        join(folder, 'start'),
        Buffer.concat([headerOf({ name: 'large', size: 9e6 }), Buffer.alloc(50_000, 1)]),
      );
      // The pipe stays open, so the program waits for the rest of the archive.
      const script = `
        mkfifo pipe
        exec 3<> pipe
        ${program} copy oci-archive:- ${registry.host}/never/app:v1 <&3 2> errors & pid=$!
        cat start >&3
        for i in $(seq 100); do
          ls -l /proc/$pid/fd | grep -q mlist-spool && break
          sleep 0.1
        done
        kill -s ${signal.slice(3)} $pid
        wait $pid; code=$?
        rm pipe errors start
        exit $code`;
      const { code } = await shell(script);
      expect(code).toBe(signal === 'SIGTERM' ? 143 : 137);
      expect((await readdir(folder)).filter((name) => name.startsWith('mlist'))).toEqual([]);
    },
  );
});
