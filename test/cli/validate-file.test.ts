import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { World } from '../support/world.ts';

/** `validate NAME` where there is a file of that name: names are never taken for files by what exists. */
describe('a name that is that of a file', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.make();
    await mkdir(join(world.folder, 'none.localhost', 'folder'), { recursive: true });
    for (const name of ['Index.json', 'none.localhost/index.json', 'oci'])
      await writeFile(join(world.folder, name), '{}');
  });

  test.each([
    ['Index.json', 2],
    ['none.localhost/index.json', 7],
  ])('is told how the file is named: %s', async (name, code) => {
    const ran = await world.run(['validate', name, '--retries', '0']);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(`hint: There is a file of this name: write ./${name}.`);
    expect((await world.run(['validate', `./${name}`])).code).toBe(3);
  });

  test.each([
    ['there is none', ['validate', 'none.localhost/other.json']],
    ['it is a folder', ['validate', 'none.localhost/folder']],
    ['it is named as a layout', ['validate', 'oci:oci']],
    ['the command takes no files', ['show', 'none.localhost/index.json']],
  ])('is not where %s', async (_name, args) => {
    const { code, stderr } = await world.run([...args, '--retries', '0']);
    expect(code).not.toBe(0);
    expect(stderr).not.toContain('There is a file');
  });
});
