import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { writeArchive } from '../../src/store/archive/write-archive.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { chunksOf, contentsOf, imageOf, indexOf, tagged, withFolder, writeLayout } from '../store/samples.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** Lists with wrong descriptors: they are refused, and other content is not affected. */

const image = imageOf('a');
const { descriptor } = image.manifest;
const right = indexOf([descriptor]);

const wrongFields: readonly (readonly [string, Partial<Descriptor>, number, string])[] = [
  ['a wrong size', { size: 5 }, 7, `has ${descriptor.size} bytes, but its descriptor states 5`],
  ['a wrong format', { mediaType: MediaType.dockerManifest }, 3, `Content-Type is ${MediaType.dockerManifest}`],
  ['the type of an index', { mediaType: MediaType.ociIndex }, 3, `Content-Type is ${MediaType.ociIndex}`],
];

let cli: CliHarness;
beforeAll(async () => {
  cli = await CliHarness.make();
});

const copy = (from: string, to: string): Promise<CliResult> => cli.run(['copy', from, to]);

describe.each(wrongFields)('a list that lists an image with %s', (_, fields, code, fault) => {
  const wrong = indexOf([{ ...descriptor, ...fields }]);

  function withBoth(work: (dir: string, folder: string) => Promise<void>): Promise<void> {
    return withFolder(async (folder) => {
      const dir = join(folder, 'layout');
      const entries = [tagged(wrong, 'wrong'), tagged(right, 'right')];
      await writeLayout(dir, [...contentsOf(image), wrong, right], entries);
      await work(dir, folder);
    });
  }

  test('is not copied, and the error describes the problem', () =>
    withBoth(async (dir, folder) => {
      const { code: ended, stderr } = await copy(`oci:${dir}:wrong`, `oci:${join(folder, 'to')}:wrong`);
      expect([ended, stderr]).toEqual([code, expect.stringContaining(`@${descriptor.digest}`)]);
      expect(stderr).toContain(fault);
    }));

  test('affects neither another list in the repository nor the image', () =>
    withBoth(async (dir, folder) => {
      for (const to of ['oci:copied', 'oci-archive:copied.tar']) {
        const target = to.replace(':', `:${folder}/`);
        expect(await copy(`oci:${dir}:right`, `${target}:right`)).toMatchObject({ code: 0 });
        expect(await copy(`${target}:right`, `oci:${join(folder, 'again')}:right`)).toMatchObject({ code: 0 });
      }
      const inspected = await cli.run(['inspect', `oci:${dir}@${descriptor.digest}`, '--raw']);
      expect(inspected).toMatchObject({ code: 0, stdout: Buffer.from(image.manifest.bytes).toString() });
    }));
});

describe('a list that lists an image with an unknown type', () => {
  const wrong = indexOf([{ ...descriptor, mediaType: 'application/x' }]);

  test('does not change the image in the target layout', () =>
    withFolder(async (folder) => {
      const [from, to] = [join(folder, 'from'), join(folder, 'to')];
      await writeLayout(from, [...contentsOf(image), wrong], [tagged(wrong, 'wrong')]);
      await writeLayout(to, contentsOf(image), [descriptor]);
      expect(await copy(`oci:${from}:wrong`, `oci:${to}:wrong`)).toMatchObject({ code: 0 });
      expect(await (await openLayout(to)).fetchManifest(descriptor.digest)).toEqual(image.manifest);
      expect(await (await openLayout(to)).entries()).toContainEqual(descriptor);
    }));

  test.each([
    ['behind', ['wrong', 'right']],
    ['before', ['right', 'wrong']],
  ])('does not remove layers from an archive, with a correct list %s it', (_, order) =>
    withFolder(async (folder) => {
      const path = join(folder, 'images.tar');
      const lists: Readonly<Record<string, ManifestContent>> = { wrong, right };
      await writeArchive(path, {}, async (target) => {
        for (const blob of [image.config, ...image.layers])
          await target.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
        await target.putManifest(image.manifest, descriptor.digest);
        for (const tag of order) await target.putManifest(lists[tag]!, tag);
      });
      const [other, to] = [join(folder, 'other'), join(folder, 'to')];
      const another = imageOf('b');
      await writeLayout(other, contentsOf(another), [tagged(another.manifest, 'other')]);
      expect(await copy(`oci:${other}:other`, `oci-archive:${path}:other`)).toMatchObject({ code: 0 });
      expect(await copy(`oci-archive:${path}:right`, `oci:${to}:right`)).toMatchObject({ code: 0 });
    }),
  );
});

test('an archive that lists an image as an index can be added to', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'images.tar');
    const wrong = indexOf([{ ...descriptor, mediaType: MediaType.ociIndex }]);
    await writeArchive(path, {}, async (target) => {
      for (const blob of [image.config, ...image.layers])
        await target.putBlob(blob.descriptor, () => chunksOf(blob.bytes));
      await target.putManifest(image.manifest, 'image');
      await target.putManifest(wrong, 'wrong');
    });
    const other = join(folder, 'other');
    const another = imageOf('b');
    await writeLayout(other, contentsOf(another), [tagged(another.manifest, 'other')]);
    expect(await copy(`oci:${other}:other`, `oci-archive:${path}:other`)).toMatchObject({ code: 0 });
    expect(await copy(`oci-archive:${path}:image`, `oci:${join(folder, 'to')}:image`)).toMatchObject({ code: 0 });
  }));

describe('content in a registry whose size differs from that in the list', () => {
  const list = indexOf([{ ...descriptor, size: 5 }]);

  async function copied(served: Uint8Array): Promise<CliResult> {
    const proxy = cleanup(await RecordingProxy.start());
    const by = (content: ManifestContent, bytes = content.bytes) =>
      answer(200, { 'content-type': content.descriptor.mediaType }, bytes);
    proxy.on(/^(?:HEAD|GET) .*manifests\/1$/, by(list));
    proxy.on(new RegExp(`^(?:HEAD|GET) .*manifests/${descriptor.digest}`), by(image.manifest, served));
    return withFolder((folder) => copy(`${proxy.host}/team/app:1`, `oci:${folder}/to:1`));
  }

  test('is reported as an error of the list', async () => {
    const { code, stderr } = await copied(image.manifest.bytes);
    expect([code, stderr]).toEqual([
      7,
      expect.stringContaining(`has ${descriptor.size} bytes, but its descriptor states 5`),
    ]);
    expect(stderr).toContain('hint: The list or manifest that refers to this content states a wrong size');
  });

  test('and whose digest differs too, is reported as an error of the registry', async () => {
    const { code, stderr } = await copied(Buffer.from('{}'));
    expect([code, stderr]).toEqual([7, expect.stringContaining('has 2 bytes, not 5')]);
    expect(stderr).toContain(
      'hint: Check the registry and any proxy in front of it: the response was changed or damaged',
    );
  });
});
