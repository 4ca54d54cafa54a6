import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { withLock } from '../../src/files/lock.ts';
import { removeStaleTemporaries, writeFileAtomic } from '../../src/files/atomic.ts';
import { temporaryFolder } from '../support/world.ts';

async function lockIn(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return join(folder, 'x.lock');
}

/** What a lock of this process would say of itself. */
async function ownOwner(folder: string): Promise<Record<string, unknown>> {
  const path = await lockIn(join(folder, 'probe'));
  return withLock(path, async () => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>);
}

describe('withLock', () => {
  test('lets one in at a time, in this process', async () => {
    const path = await lockIn(await temporaryFolder());
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        withLock(path, async () => {
          most = Math.max(most, (inside += 1));
          await sleep(1);
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  test('leaves nothing behind, also after a failure', async () => {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(folder)).toEqual([]);
  });

  test('waits so long, then says who holds it', async () => {
    const path = await lockIn(await temporaryFolder());
    const wait = withLock(path, () => withLock(path, () => undefined, { waitMs: 100, subject: 'the thing' }));
    await expect(wait).rejects.toMatchObject({
      code: 'ERR_MLIST_LOCKED',
      exitCode: 5,
      message: expect.stringContaining(`the thing is locked by process ${process.pid}`) as unknown,
    });
  });

  test.each<[string, Record<string, unknown>, boolean]>([
    ['a dead process', { pid: 2 ** 22 - 1 }, true],
    ['another boot', { boot: 'another' }, true],
    ['the same process id, given out again', { started: '1' }, process.platform === 'linux'],
    ['a living process', {}, false],
    ['another host, heard of lately', { host: 'another' }, false],
  ])('a lock of %s', async (_name, differs, isBroken) => {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    const owner = await ownOwner(folder);
    await writeFile(path, JSON.stringify({ ...owner, ...differs, token: '0123456789abcdef' }));
    const taken = withLock(path, () => 'mine', { waitMs: 300 });
    if (isBroken) expect(await taken).toBe('mine');
    else await expect(taken).rejects.toMatchObject({ code: 'ERR_MLIST_LOCKED' });
  });

  test.each([
    ['another host', '{"pid":1,"host":"another","boot":"b","started":"","token":"0123456789abcdef"}'],
    ['nobody knows whom', ''],
  ])('a lock of %s, silent for over 30 seconds, is broken', async (_name, content) => {
    const path = await lockIn(await temporaryFolder());
    await writeFile(path, content);
    const longAgo = new Date(Date.now() - 31_000);
    await utimes(path, longAgo, longAgo);
    expect(await withLock(path, () => 'mine', { waitMs: 300 })).toBe('mine');
  });

  test('a stale lock that many find at once is broken by one', async () => {
    const folder = await temporaryFolder();
    const path = await lockIn(folder);
    const owner = await ownOwner(folder);
    let inside = 0;
    let most = 0;
    for (let round = 0; round < 10; round += 1) {
      await writeFile(path, JSON.stringify({ ...owner, pid: 2 ** 22 - 1, token: `${round}`.padStart(16, '0') }));
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withLock(path, async () => {
            most = Math.max(most, (inside += 1));
            await sleep(0);
            inside -= 1;
          }),
        ),
      );
    }
    expect(most).toBe(1);
  });

  test('gives up waiting when it is interrupted', async () => {
    const path = await lockIn(await temporaryFolder());
    const interrupt = new AbortController();
    const wait = withLock(path, async () => {
      setTimeout(() => interrupt.abort(new Error('stop')), 50);
      await withLock(path, () => undefined, { signal: interrupt.signal });
    });
    await expect(wait).rejects.toThrow(/stop|aborted/);
  });
});

describe('writeFileAtomic', () => {
  test('replaces a file, and leaves no temporary one', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'a');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, 'new');
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual(['new', ['a']]);
  });

  test('keeps the old file where the new one cannot be put', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'a'), 'new')).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['a']);
  });

  test('what a crashed writer left is removed when it is old', async () => {
    const folder = await temporaryFolder();
    const left = join(folder, '.a.0123456789abcdef.tmp');
    await writeFile(left, '');
    expect(await removeStaleTemporaries(folder, 60_000)).toBe(0);
    expect(await removeStaleTemporaries(folder, 0)).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });
});
