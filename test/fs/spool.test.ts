import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Spool, type SpoolFile } from '../../src/fs/spool.ts';
import { bytesOf, withFolder } from '../store/samples.ts';

async function spooled<T>(
  work: (spool: Spool, folder: string) => Promise<T>,
  options: { readonly maxBytes?: number } = {},
): Promise<T> {
  return withFolder(async (folder) => {
    const spool = new Spool({ folder, ...options });
    try {
      return await work(spool, folder);
    } finally {
      await spool.close();
    }
  });
}

async function appended(file: SpoolFile, ...texts: readonly string[]): Promise<SpoolFile> {
  for (const text of texts) await file.append(Buffer.from(text));
  return file;
}

async function textOf(file: SpoolFile, range?: { readonly start: number; readonly end: number }): Promise<string> {
  return Buffer.from(await bytesOf(file.read(range))).toString();
}

test('a file is appended to and read by ranges', () =>
  spooled(async (spool) => {
    const file = await appended(await spool.create(), 'one', 'two');
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('th');
      yield await Promise.resolve(Buffer.from('ree'));
    }
    expect(await file.appendAll(chunks())).toEqual({ start: 6, end: 11 });
    expect(await textOf(file)).toBe('onetwothree');
    expect(await textOf(file, { start: 3, end: 6 })).toBe('two');
    expect(file.size).toBe(11);
  }));

(process.platform === 'win32' ? test.skip : test)('nothing is visible in the folder while files are in use', () =>
  spooled(async (spool, folder) => {
    const files = await Promise.all([spool.create(), spool.create()]);
    for (const file of files) await appended(file, 'content');
    expect(await readdir(folder)).toEqual([]);
    expect(((await files[0].handle.stat()).mode & 0o777).toString(8)).toBe('600');
  }),
);

test('close removes all files, and further files are refused', () =>
  withFolder(async (folder) => {
    const spool = new Spool({ folder });
    await appended(await spool.create(), 'content');
    await spool.close();
    expect(await readdir(folder)).toEqual([]);
    await expect(spool.create()).rejects.toThrow(/closed/);
  }));

describe('the limit', () => {
  test('an exceeded limit names the needed size, the limit and the folder', () =>
    spooled(
      async (spool, folder) => {
        const file = await appended(await spool.create(), '12345');
        await expect(file.append(Buffer.alloc(6))).rejects.toMatchObject({
          code: 'ERR_MLIST_FILE',
          message: `cannot store temporary files in ${folder}: at least 11 bytes are needed, but the limit is 10`,
          facts: { remedy: { kind: 'more-temporary-space' } },
        });
        expect(await textOf(file)).toBe('12345');
      },
      { maxBytes: 10 },
    ));

  test('counts all files together, without those that were released', () =>
    spooled(
      async (spool) => {
        const first = await appended(await spool.create(), '123456');
        const second = await spool.create();
        await expect(appended(second, '12345')).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
        await first.release();
        await first.release();
        await appended(second, '1234567890');
        await expect(appended(second, '1')).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
      },
      { maxBytes: 10 },
    ));

  test('is by default below the free space', () =>
    spooled(async (spool) => {
      const file = await spool.create();
      const huge = { length: 2 ** 52 } as Uint8Array;
      await expect(file.append(huge)).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
      await appended(file, '1');
    }));
});

test('folders that a killed process has left are removed after a day; other files are kept', () =>
  spooled(async (spool, folder) => {
    const [old, recent] = ['mlist-spool-aaaaaa', 'mlist-spool-bbbbbb'];
    for (const name of [old, recent]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'data'), 'x');
    }
    await mkdir(join(folder, 'other'));
    if (process.platform !== 'win32') await symlink(join(folder, 'other'), join(folder, 'mlist-spool-link'));
    const dayBefore = new Date(Date.now() - 25 * 60 * 60 * 1000);
    for (const name of [old, 'other']) await utimes(join(folder, name), dayBefore, dayBefore);
    await spool.create();
    const left = await readdir(folder);
    expect(left).not.toContain(old);
    expect(left).toEqual(expect.arrayContaining(['other', recent]));
  }));

test('a folder that cannot be written to is named', async () => {
  const spool = new Spool({ folder: '/dev/null/none' });
  await expect(spool.create()).rejects.toMatchObject({ code: 'ERR_MLIST_FILE', facts: { path: '/dev/null/none' } });
});
