import { mkdir, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createFolders } from '../../src/fs/folders.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

describe('createFolders', () => {
  test('creates missing folders, also concurrently', async () => {
    const root = await temporaryFolder();
    await createFolders(root);
    for (let round = 0; round < 50; round += 1) {
      const folder = join(root, String(round), 'b', 'c');
      await Promise.all(['d', 'e', 'd', 'e'].map((name) => createFolders(join(folder, name))));
      expect((await stat(join(folder, 'e'))).isDirectory()).toBe(true);
    }
  });

  test('applies the mode to each new folder', async () => {
    const root = await temporaryFolder();
    await createFolders(join(root, 'x', 'y'), { mode: 0o700 });
    for (const name of ['x', join('x', 'y')]) expect((await stat(join(root, name))).mode & 0o777).toBe(0o700);
  });

  test('refuses a path that contains a file', async () => {
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
    'reports a folder that cannot be created, and does not retry forever',
    async () => {
      await expect(createFolders('/proc/mlist/x')).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
    },
  );
});
