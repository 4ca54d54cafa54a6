import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { describeWith, runProgram } from '../support/programs.ts';
import { bytesOf, collect, putUnpackableList, withFolder } from './samples.ts';

describeWith('skopeo', 'another tool', () => {
  test('reads what was written', () =>
    withFolder(async (folder) => {
      const dir = join(folder, 'written');
      const { index } = await putUnpackableList(await openLayout(dir, { create: true }), 'v1');
      expect(await runProgram('skopeo', 'inspect', '--raw', `oci:${dir}:v1`)).toBe(Buffer.from(index.bytes).toString());
      const config = await runProgram('skopeo', 'inspect', '--config', '--override-arch', 'arm64', `oci:${dir}:v1`);
      expect(JSON.parse(config)).toMatchObject({ architecture: 'arm64', os: 'linux' });
    }));

  test('writes what is read', () =>
    withFolder(async (folder) => {
      const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];
      const { index, images } = await putUnpackableList(await openLayout(ours, { create: true }), 'v1');
      const copy = ['copy', '--insecure-policy', '--all', '--preserve-digests'];
      await runProgram('skopeo', ...copy, `oci:${ours}:v1`, `oci:${theirs}:docker.io/library/a:v1`);
      const layout = await openLayout(theirs);
      expect(await collect(layout.tags())).toEqual(['docker.io/library/a:v1']);
      expect(await layout.fetchManifest('docker.io/library/a:v1')).toEqual(index);
      for (const { manifest, config, layers } of images) {
        expect(await layout.fetchManifest(manifest.descriptor.digest)).toEqual(manifest);
        for (const { descriptor, bytes } of [config, ...layers]) {
          expect(await bytesOf(layout.readBlob(descriptor))).toEqual(bytes);
        }
      }
    }));

  test('adds to a layout of skopeo, and skopeo adds to a layout', () =>
    withFolder(async (folder) => {
      const [one, two] = [join(folder, 'one'), join(folder, 'two')];
      await putUnpackableList(await openLayout(one, { create: true }), 'v1');
      await putUnpackableList(await openLayout(two, { create: true }), 'v2');
      const copy = ['copy', '--insecure-policy', '--all', '--preserve-digests'];
      await runProgram('skopeo', ...copy, `oci:${one}:v1`, `oci:${two}:v1`);
      const layout = await openLayout(two);
      expect((await collect(layout.tags())).sort()).toEqual(['v1', 'v2']);
      await putUnpackableList(layout, 'v3');
      await runProgram('skopeo', 'inspect', '--raw', `oci:${two}:v1`);
      expect((await collect(layout.tags())).sort()).toEqual(['v1', 'v2', 'v3']);
    }));
});
