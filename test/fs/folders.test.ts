import { mkdir, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createFolders } from '../../src/fs/folders.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

describe('making folders', () => {
  test('one that is there, one below it, and several at once', async () => {
    const root = await temporaryFolder();
    await createFolders(root);
    for (let round = 0; round < 50; round += 1) {
      const folder = join(root, String(round), 'b', 'c');
      await Promise.all(['d', 'e', 'd', 'e'].map((name) => createFolders(join(folder, name))));
      expect((await stat(join(folder, 'e'))).isDirectory()).toBe(true);
    }
  });

  test('the rights count for each that is made', async () => {
    const root = await temporaryFolder();
    await createFolders(join(root, 'x', 'y'), { mode: 0o700 });
    for (const name of ['x', join('x', 'y')]) expect((await stat(join(root, name))).mode & 0o777).toBe(0o700);
  });

  test('a file in its place, or on its path', async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'file'), '');
    await mkdir(join(root, 'folder'));
    for (const path of ['file', join('file', 'x'), join('file', 'x', 'y')]) {
      await expect(createFolders(join(root, path))).rejects.toMatchObject({
        code: 'ERR_MLIST_FILE',
        message: expect.stringContaining(join(root, 'file')) as unknown,
      });
    }
  });

  (existsSync('/proc/self') ? test : test.skip)(
    'where nothing can be made, that is told and not tried for ever',
    async () => {
      await expect(createFolders('/proc/mlist/x')).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
    },
  );
});
