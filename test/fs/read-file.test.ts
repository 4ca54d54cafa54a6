import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readAtMost, readAtMostSync } from '../../src/fs/read-file.ts';
import { resolveLinks } from '../../src/fs/symlinks.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

const hasPipes = process.platform !== 'win32';

describe('readAtMost', () => {
  test.each([
    ['empty', 0, 10, 0],
    ['below the limit', 9, 10, 9],
    ['at the limit', 10, 10, 10],
    ['over the limit: one byte more', 500_000, 10, 11],
    ['of several chunks', 500_000, 1_000_000, 500_000],
  ])('%s', async (_name, size, maxBytes, expected) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, Buffer.alloc(size, 'x'));
    for (const onlyFile of [false, true]) expect(await readAtMost(path, { maxBytes, onlyFile })).toHaveLength(expected);
    const { bytes, modified } = readAtMostSync(path, maxBytes);
    expect([bytes.toString(), modified]).toEqual(['x'.repeat(expected), (await stat(path)).mtime]);
  });

  (hasPipes ? test : test.skip)('a pipe is read, or refused with onlyFile', async () => {
    const path = join(await temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [path]);
    await expect(readAtMost(path, { maxBytes: 10, onlyFile: true })).rejects.toMatchObject({
      code: 'ERR_MLIST_FILE',
      message: `cannot read ${path}: it is not a regular file`,
    });
    expect(() => readAtMostSync(path, 10)).toThrow('it is not a regular file');
    const reading = readAtMost(path, { maxBytes: 10 });
    const writer = await open(path, constants.O_WRONLY);
    await writer.writeFile('abc');
    await writer.close();
    expect((await reading).toString()).toBe('abc');
  });

  (process.platform === 'linux' ? test : test.skip)(
    'a file whose size the system does not know is read to its end',
    async () => {
      const { bytes } = readAtMostSync('/proc/self/cmdline', 1_000_000);
      expect(bytes).toEqual(await readFile('/proc/self/cmdline'));
      expect(readAtMostSync('/proc/self/cmdline', 10).bytes).toHaveLength(11);
    },
  );

  (hasPipes ? test : test.skip)('an endless device is read up to the limit', async () => {
    expect(await readAtMost('/dev/zero', { maxBytes: 100_000 })).toHaveLength(100_001);
  });
});

(hasPipes ? describe : describe.skip)('resolveLinks', () => {
  test('to a file, to a missing file, through a link to a folder, and in a loop', async () => {
    const root = await temporaryFolder();
    const at = (name: string): string => join(root, name);
    await mkdir(at('folder'));
    await writeFile(at('file'), '');
    const links: readonly (readonly [string, string])[] = [
      ['file', 'to-file'],
      ['to-nothing', 'to-link'],
      ['folder/new', 'to-nothing'],
      ['folder', 'to-folder'],
      ['circle', 'circle'],
    ];
    for (const [to, from] of links) await symlink(to, at(from));
    expect(await resolveLinks(at('file'))).toBe(at('file'));
    expect(await resolveLinks(at('to-file'))).toBe(at('file'));
    expect(await resolveLinks(at('to-link'))).toBe(at('folder/new'));
    expect(await resolveLinks(at('to-folder/x'))).toBe(at('folder/x'));
    for (const name of ['circle', 'none/x'])
      await expect(resolveLinks(at(name))).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
    await expect(resolveLinks(at('none/x'))).rejects.toThrow(`there is no folder ${at('none')}`);
    await expect(resolveLinks(at('circle/x'))).rejects.toThrow('circle: its symbolic links form a loop');
  });
});
