import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { withLock } from '../../src/fs/lock.ts';
import { removeStaleTemporaries, temporaryName, writeFileAtomic } from '../../src/fs/atomic.ts';
import { processMark } from '../../src/fs/lock-holder.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** A free lock is acquired within this time, also on a busy machine. */
const patient = { waitMs: 200_000 };

async function lockIn(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return join(folder, 'x.lock');
}

/** The content of a lock file of this process. */
async function ownOwner(folder: string): Promise<Record<string, unknown>> {
  const path = await lockIn(join(folder, 'probe'));
  return withLock(path, async () => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>);
}

describe('withLock', () => {
  test('runs one task at a time in this process', async () => {
    const path = await lockIn(await temporaryFolder());
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        withLock(
          path,
          async () => {
            most = Math.max(most, (inside += 1));
            await sleep(1);
            inside -= 1;
          },
          patient,
        ),
      ),
    );
    expect(most).toBe(1);
  });

  test('removes its files, also after a failure', async () => {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(folder)).toEqual([]);
  });

  test('reports the holder after the wait', async () => {
    const path = await lockIn(await temporaryFolder());
    const wait = withLock(path, () => withLock(path, () => undefined, { waitMs: 100, subject: 'the thing' }));
    await expect(wait).rejects.toMatchObject({
      code: 'ERR_MLIST_LOCKED',
      exitCode: 5,
      message: expect.stringContaining(`the thing is locked by process ${process.pid}`) as unknown,
    });
  });

  const noSuchProcess = 2 ** 22 - 1;
  const longAgo = new Date(Date.now() - 31_000);
  const others: readonly (readonly [string, Record<string, unknown>])[] = [
    ['a running process', {}],
    ['a process whose start time is not known', { started: '' }],
    ['another boot, or a machine of the same name', { pid: noSuchProcess, boot: 'another' }],
    ['a boot that is not known', { pid: noSuchProcess, boot: '' }],
    ['another PID namespace', { pid: noSuchProcess, namespace: 'another' }],
    ['another host', { pid: noSuchProcess, host: 'another' }],
    ['a holder that is not named', { token: undefined }],
  ];

  async function heldBy(differs: Record<string, unknown>): Promise<string> {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    await writeFile(path, JSON.stringify({ ...(await ownOwner(folder)), token: '0123456789abcdef', ...differs }));
    return path;
  }

  (process.platform === 'win32' ? test.skip : test)('a lock of a dead process is broken at once', async () => {
    const path = await heldBy({ pid: noSuchProcess });
    expect(await withLock(path, () => 'mine', { waitMs: 100 })).toBe('mine');
  });

  (process.platform === 'linux' ? test : test.skip)(
    'a lock of a process whose id is used again is broken at once',
    async () => {
      expect(await withLock(await heldBy({ started: '1' }), () => 'mine', { waitMs: 100 })).toBe('mine');
    },
  );

  test.each(others)('a lock of %s is not broken while it has a heartbeat', async (_name, differs) => {
    const locked = withLock(await heldBy(differs), () => 'mine', { waitMs: 100 });
    await expect(locked).rejects.toMatchObject({ code: 'ERR_MLIST_LOCKED' });
  });

  test.each(others)('a lock of %s is broken after 30 seconds without a heartbeat', async (_name, differs) => {
    const path = await heldBy(differs);
    await utimes(path, longAgo, longAgo);
    expect(await withLock(path, () => 'mine', { waitMs: 100 })).toBe('mine');
    expect(await readdir(dirname(path))).toEqual(['probe']);
  });

  test.each(others)(
    'a lock of %s is not removed while another process holds the break lock',
    async (_name, differs) => {
      const path = await heldBy(differs);
      await utimes(path, longAgo, longAgo);
      await withLock(`${path}.break`, async () => {
        await expect(withLock(path, () => 'mine', { waitMs: 50 })).rejects.toMatchObject({ code: 'ERR_MLIST_LOCKED' });
        expect(await readdir(dirname(path))).toContain('x.lock');
      });
    },
  );

  (process.platform === 'win32' ? test.skip : test).each<[string, (path: string) => unknown]>([
    ['a link that leads nowhere', (path) => symlink('nowhere', path)],
    ['a folder', (path) => mkdir(path)],
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ])('%s in the place of a lock is waited for like a lock', async (_name, put) => {
    const path = await lockIn(await temporaryFolder());
    await put(path);
    const locked = withLock(path, () => 'mine', { waitMs: 50 });
    await expect(locked).rejects.toMatchObject({ code: 'ERR_MLIST_LOCKED' });
  });

  test.each([
    ['of a dead process', { pid: noSuchProcess }],
    ['that names no holder', { token: undefined }],
  ])('an expired lock %s that many find at once is broken by one', async (_name, differs) => {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    const owner = await ownOwner(folder);
    let inside = 0;
    let most = 0;
    for (let round = 0; round < 10; round += 1) {
      await writeFile(path, JSON.stringify({ ...owner, token: `${round}`.padStart(16, '0'), ...differs }));
      await utimes(path, longAgo, longAgo);
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withLock(
            path,
            async () => {
              most = Math.max(most, (inside += 1));
              await sleep(0);
              inside -= 1;
            },
            patient,
          ),
        ),
      );
    }
    expect(most).toBe(1);
  });

  test('stops waiting when the signal is aborted', async () => {
    const path = await lockIn(await temporaryFolder());
    const interrupt = new AbortController();
    const wait = withLock(path, async () => {
      setTimeout(() => interrupt.abort(new Error('stop')), 50);
      await withLock(path, () => undefined, { signal: interrupt.signal });
    });
    await expect(wait).rejects.toThrow('stop');
  });
});

describe('writeFileAtomic', () => {
  test('replaces a file, and leaves no temporary file', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'a');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, 'new');
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual(['new', ['a']]);
  });

  test('keeps the old file if the new one cannot be written', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'a'), 'new')).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['a']);
  });

  test('removes old temporary files of crashed processes', async () => {
    const folder = await temporaryFolder();
    const left = join(folder, '.a.0123456789abcdef.tmp');
    await writeFile(left, '');
    expect(await removeStaleTemporaries(folder, 60_000)).toBe(0);
    expect(await removeStaleTemporaries(folder, 0)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  const marked = processMark() === '' ? test.skip : test;
  marked('removes temporary files of dead processes at once, and keeps those of running ones at any age', async () => {
    const folder = await temporaryFolder();
    const [own, dead] = [temporaryName(join(folder, 'a')), join(folder, '.a.0123456789abcdef')];
    // Linux has no process with this id.
    const deadMark = processMark().replace(/_\d+_(?=\d+$)/, '_4194305_');
    for (const path of [own, `${dead}${deadMark}.tmp`, `${dead}_00000000_1_1.tmp`]) await writeFile(path, '');
    expect(await removeStaleTemporaries(folder, 60_000)).toBe(1);
    expect(await readdir(folder)).not.toContain(basename(`${dead}${deadMark}.tmp`));
    expect(await removeStaleTemporaries(folder, 0)).toBe(1);
    expect(await readdir(folder)).toEqual([basename(own)]);
  });
});
