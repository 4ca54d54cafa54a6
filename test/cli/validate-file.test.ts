import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { entryOf, makeImage, makeIndex } from '../support/images.ts';
import { putDocument, putInLayout } from '../support/layouts.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `validate NAME` if a file has that name: names are files only if they begin like a path. */
describe('a name that is also a file', () => {
  let cli: CliHarness;
  beforeAll(async () => {
    cli = await CliHarness.make();
    await mkdir(join(cli.folder, 'none.localhost', 'folder'), { recursive: true });
    for (const name of ['Index.json', 'none.localhost/index.json', 'oci'])
      await writeFile(join(cli.folder, name), '{}');
  });

  test.each([
    ['Index.json', 2],
    ['none.localhost/index.json', 7],
  ])('gets a hint with the path: %s', async (name, code) => {
    const result = await cli.run(['validate', name, '--retries', '0']);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(`hint: A file has this name. To validate it, use ./${name}.`);
    expect((await cli.run(['validate', `./${name}`])).code).toBe(3);
  });

  test.each([
    ['no file', ['validate', 'none.localhost/other.json']],
    ['it is a folder', ['validate', 'none.localhost/folder']],
    ['it is named as a layout', ['validate', 'oci:oci']],
    ['the command takes no files', ['show', 'none.localhost/index.json']],
  ])('gets no hint if %s', async (_name, args) => {
    const { code, stderr } = await cli.run([...args, '--retries', '0']);
    expect(code).not.toBe(0);
    expect(stderr).not.toContain('A file has this name');
  });
});

describe('the index.json of an OCI layout', () => {
  const image = makeImage({ kind: 'oci' });
  let cli: CliHarness;
  const layoutOf = async (name: string, index: string): Promise<void> => {
    await mkdir(join(cli.folder, name), { recursive: true });
    await writeFile(join(cli.folder, name, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(cli.folder, name, 'index.json'), index);
  };
  beforeAll(async () => {
    cli = await CliHarness.make();
  });

  test('may give one image several names', async () => {
    const dir = join(cli.folder, 'names');
    await putInLayout(dir, image, '1.0');
    const layout = await openLayout(dir);
    await putDocument(layout, image, 'latest');
    await putDocument(layout, makeIndex([entryOf(image, { os: 'linux', architecture: 'amd64' })]), 'list');
    await cli.must('validate', '--strict', './names/index.json');
    expect(await cli.run(['validate', '--deep', './names/index.json'])).toMatchObject({ code: 0 });
    expect(await cli.run(['validate', '--strict', './index.json'], { cwd: dir })).toMatchObject({ code: 0 });
  });

  test('is validated with its content', async () => {
    await layoutOf('lost', makeIndex([entryOf(image)]).bytes.toString());
    await cli.must('validate', './lost/index.json');
    const { code, stdout, stderr } = await cli.run(['validate', '--deep', './lost/index.json']);
    expect([code, stdout + stderr]).toEqual([3, expect.stringContaining('E-ABSENT /manifests/0')]);
  });

  test('may have null for its manifests, which is an empty layout', async () => {
    await layoutOf('null', '{"schemaVersion":2,"manifests":null}');
    await cli.must('validate', '--deep', './null/index.json');
    await putInLayout(join(cli.folder, 'filled'), image, 'v1');
    await cli.must('copy', 'oci:filled:v1', 'oci:null:v1');
    await cli.must('show', 'oci:null:v1');
  });

  test.each([
    ['no list of manifests', '{"schemaVersion":2}'],
    ['a wrong digest', '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"sha256:1"}]}'],
    ['another type', '{"schemaVersion":2,"mediaType":"a/b","manifests":[]}'],
  ])('is refused with %s', async (_name, index) => {
    await layoutOf('wrong', index);
    expect(await cli.run(['validate', './wrong/index.json'])).toMatchObject({ code: 3 });
  });

  test('is a list if there is no layout next to it', async () => {
    await mkdir(join(cli.folder, 'alone'));
    await writeFile(join(cli.folder, 'alone', 'index.json'), makeIndex([entryOf(image), entryOf(image)]).bytes);
    expect(await cli.run(['validate', '--strict', './alone/index.json'])).toMatchObject({ code: 3 });
  });
});
