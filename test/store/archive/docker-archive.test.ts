import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { openDockerArchive } from '../../../src/store/archive/docker-archive.ts';
import type { ManifestContent } from '../../../src/store/store.ts';
import type { Descriptor } from '../../../src/oci/descriptor.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { blobOf, bytesOf, contentOf, indexOf } from '../samples.ts';
import { blobMember, entryFor, header, imageName, indexMember, refName, withTar } from './layout-tar.ts';
import { tarOf, type Member } from './tar-bytes.ts';

/** Layers are small tar files, uncompressed as in engines. */
const layers = ['one', 'two'].map((text) => blobOf(tarOf({ name: text, content: text })));

function configOf(diffIds: readonly string[] | undefined, more: object = {}): ManifestContent {
  const rootfs = diffIds === undefined ? {} : { rootfs: { type: 'layers', diff_ids: diffIds } };
  return contentOf(MediaType.ociConfig, JSON.stringify({ architecture: 'arm64', os: 'linux', ...rootfs, ...more }));
}

const config = configOf(layers.map(({ descriptor }) => descriptor.digest));

/** The exact manifest of docker 27 for this image: members in the order of Go's struct, no white space. */
function dockersManifest(own: ManifestContent, blobs: readonly Descriptor[]): ManifestContent {
  const describe = ({ mediaType, digest, size }: Descriptor) =>
    `{"mediaType":"${mediaType}","digest":"${digest}","size":${size}}`;
  return contentOf(
    MediaType.ociManifest,
    `{"schemaVersion":2,"mediaType":"${MediaType.ociManifest}","config":${describe(own.descriptor)},` +
      `"layers":[${blobs.map(describe).join(',')}]}`,
  );
}

const manifest = dockersManifest(
  config,
  layers.map(({ descriptor }) => descriptor),
);

function listOf(...items: readonly object[]): Member {
  return { name: 'manifest.json', content: JSON.stringify(items) };
}

/** docker 1.10 to 24: a folder for each layer, and a link if two images share a layer. */
const oldForm: readonly Member[] = [
  { name: 'aa/', type: '5' },
  { name: 'aa/VERSION', content: '1.0' },
  { name: 'aa/json', content: '{}' },
  { name: 'aa/layer.tar', content: layers[0]!.bytes },
  { name: 'bb/', type: '5' },
  { name: 'bb/layer.tar', content: layers[1]!.bytes },
  { name: 'cc/layer.tar', type: '2', link: '../aa/layer.tar' },
  { name: 'config.json', content: config.bytes },
  { name: 'repositories', content: '{}' },
];

const oldItem = {
  Config: 'config.json',
  RepoTags: ['app:v1', 'team/app:v1'],
  Layers: ['aa/layer.tar', 'bb/layer.tar'],
};

const newForm: readonly Member[] = [header, config, ...layers, manifest].map((one) =>
  'descriptor' in one ? blobMember(one) : one,
);

const newItem = {
  Config: blobMember(config).name,
  RepoTags: ['app:v1'],
  Layers: layers.map((layer) => blobMember(layer).name),
};

interface Document {
  readonly layers: readonly Descriptor[];
}

async function documentOf(archive: Opened): Promise<Document> {
  const { descriptor } = await archive.resolveRef();
  const { bytes } = await archive.fetchManifest(descriptor.digest);
  return JSON.parse(Buffer.from(bytes).toString()) as Document;
}

type Opened = Awaited<ReturnType<typeof openDockerArchive>>;

async function opened<T>(members: readonly Member[], work: (archive: Opened) => Promise<T>): Promise<T> {
  return withTar(members, async (path) => {
    const archive = await openDockerArchive(path);
    try {
      return await work(archive);
    } finally {
      await archive.close();
    }
  });
}

async function expectImage(
  archive: Opened,
  expected: ManifestContent,
  blobs: readonly ManifestContent[],
): Promise<void> {
  const { descriptor } = await archive.resolveRef();
  expect(Buffer.from((await archive.fetchManifest(descriptor.digest)).bytes).toString()).toBe(
    Buffer.from(expected.bytes).toString(),
  );
  expect(await archive.fetchManifest(descriptor.digest, { expected: expected.descriptor })).toEqual(expected);
  for (const blob of blobs) expect(await bytesOf(archive.readBlob(blob.descriptor))).toEqual(blob.bytes);
}

describe('an image has the same manifest as written by docker', () => {
  const gzipped = layers.map(({ bytes }) => blobOf(gzipSync(bytes), 'application/vnd.oci.image.layer.v1.tar+gzip'));
  const gzippedManifest = dockersManifest(
    config,
    gzipped.map(({ descriptor }) => descriptor),
  );
  const silent = configOf(undefined);
  const silentManifest = dockersManifest(
    silent,
    layers.map(({ descriptor }) => descriptor),
  );

  test.each<[string, readonly Member[], ManifestContent, readonly ManifestContent[]]>([
    ['of docker 1.10 to 24', [...oldForm, listOf(oldItem)], manifest, [config, ...layers]],
    [
      'of docker 25 and later, whose own manifest it is',
      [...newForm, indexMember([entryFor(manifest, { [imageName]: 'docker.io/library/app:v1' })]), listOf(newItem)],
      manifest,
      [config, ...layers],
    ],
    [
      'of docker 25.0.0, whose own manifest lacks its layers',
      [
        ...newForm.slice(0, -1),
        blobMember(dockersManifest(config, [])),
        indexMember([entryFor(dockersManifest(config, []))]),
        listOf(newItem),
      ],
      manifest,
      [config, ...layers],
    ],
    [
      'of docker 25.0.0, whose own manifest has its layers in a wrong order',
      [
        ...newForm.slice(0, -1),
        blobMember(dockersManifest(config, [layers[1]!.descriptor, layers[0]!.descriptor])),
        indexMember([entryFor(dockersManifest(config, [layers[1]!.descriptor, layers[0]!.descriptor]))]),
        listOf(newItem),
      ],
      manifest,
      [config, ...layers],
    ],
    [
      'whose index says null',
      [
        ...newForm.slice(0, -1),
        { name: 'index.json', content: '{"schemaVersion":2,"manifests":null}' },
        listOf(newItem),
      ],
      manifest,
      [config, ...layers],
    ],
    [
      'with a layer that is a link to another image’s',
      [...oldForm, listOf({ ...oldItem, Layers: ['cc/layer.tar', 'bb/layer.tar'] })],
      manifest,
      [config, ...layers],
    ],
    [
      'of podman and skopeo, with files by their hashes',
      [
        ...layers.map(({ descriptor, bytes }) => ({ name: `${descriptor.digest.slice(7)}.tar`, content: bytes })),
        { name: `${config.descriptor.digest.slice(7)}.json`, content: config.bytes },
        listOf({
          Config: `${config.descriptor.digest.slice(7)}.json`,
          RepoTags: ['localhost/app:v1'],
          Layers: layers.map(({ descriptor }) => `${descriptor.digest.slice(7)}.tar`),
        }),
      ],
      manifest,
      [config, ...layers],
    ],
    [
      'of build tools that compress layers',
      [
        ...gzipped.map(({ bytes }, at) => ({ name: `${at}.tar.gz`, content: bytes })),
        { name: 'config.json', content: config.bytes },
        listOf({ Config: './config.json', RepoTags: null, Layers: ['0.tar.gz', './1.tar.gz'] }),
      ],
      gzippedManifest,
      [config, ...gzipped],
    ],
    [
      'of containerd’s store, with compressed layers and their own manifest inside a list',
      [
        header,
        ...[config, ...gzipped, gzippedManifest].map(blobMember),
        blobMember(indexOf([gzippedManifest.descriptor, manifest.descriptor])),
        indexMember([entryFor(indexOf([gzippedManifest.descriptor, manifest.descriptor]), { [refName]: 'v1' })]),
        listOf({ ...newItem, Layers: gzipped.map((layer) => blobMember(layer).name) }),
      ],
      gzippedManifest,
      [config, ...gzipped],
    ],
    [
      'whose config does not say what its layers are',
      [
        { name: 'a', content: silent.bytes },
        { name: 'l0', content: layers[0]!.bytes },
        { name: 'l1', content: layers[1]!.bytes },
        listOf({ Config: 'a', RepoTags: null, Layers: ['l0', 'l1'] }),
      ],
      silentManifest,
      [silent, ...layers],
    ],
  ])('%s', (_, members, expected, blobs) => opened(members, (archive) => expectImage(archive, expected, blobs)));

  test('with a foreign layer', () => {
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: blobOf('far away').descriptor.digest,
      size: 8,
      urls: ['https://example.com/layer'],
    };
    const item = { ...oldItem, Layers: ['zz/layer.tar', 'bb/layer.tar'] };
    const sources = { [layers[0]!.descriptor.digest]: { ...foreign, platform: { os: 'windows' } } };
    return opened([...oldForm, listOf({ ...item, LayerSources: sources })], async (archive) => {
      expect((await documentOf(archive)).layers).toEqual([foreign, layers[1]!.descriptor]);
    });
  });
});

test('blobs are found without reading the manifest first', () =>
  opened([...oldForm, listOf(oldItem)], async (archive) => {
    for (const { descriptor, bytes } of [...layers, config]) {
      expect(await bytesOf(archive.readBlob(descriptor))).toEqual(bytes);
    }
    const nowhere = archive.fetchBlob(blobOf('nowhere').descriptor);
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
  }));

test('an archive without manifest.json is read as an OCI layout', () =>
  opened([...newForm, indexMember([entryFor(manifest, { [refName]: 'v1' })])], async (archive) => {
    expect(archive.location).toMatch(/^docker-archive:/);
    expect(await archive.fetchManifest('v1')).toEqual(manifest);
  }));

test.each([
  ['another digest', layers[0]!.descriptor, `:app:v1 refers to ${manifest.descriptor.digest}, not`],
  ['another size', { ...manifest.descriptor, size: 1 }, ':app:v1 has'],
])('a manifest is not returned if %s is expected', (_, expected, message) =>
  opened([...oldForm, listOf(oldItem)], async (archive) => {
    const fetched = archive.fetchManifest('app:v1', { expected });
    await expect(fetched).rejects.toMatchObject({
      code: 'ERR_MLIST_CONTENT_MISMATCH',
      message: expect.stringContaining(message),
    });
  }),
);

describe('a reference selects by the tags of the list', () => {
  const second = configOf([layers[0]!.descriptor.digest], { variant: 'v8' });
  const secondManifest = dockersManifest(second, [layers[0]!.descriptor]);
  const members = [
    ...oldForm,
    { name: 'second.json', content: second.bytes },
    listOf(oldItem, { Config: 'second.json', RepoTags: ['registry.example/x:v2'], Layers: ['aa/layer.tar'] }),
  ];

  test.each([
    ['in the familiar form', 'app:v1', manifest],
    ['in the canonical form', 'docker.io/library/app:v1', manifest],
    ['another tag of the same image', 'team/app:v1', manifest],
    ['in another registry', 'registry.example/x:v2', secondManifest],
  ])('%s', (_, ref, expected) =>
    opened(members, async (archive) => {
      expect((await archive.resolveRef(ref)).descriptor).toEqual(expected.descriptor);
      expect(await archive.fetchManifest(ref)).toEqual(expected);
      expect(await archive.resolve(expected.descriptor.digest)).toEqual(expected.descriptor);
    }),
  );

  test('without one, several images are ambiguous', () =>
    opened(members, async (archive) => {
      await expect(archive.resolveRef()).rejects.toMatchObject({
        code: 'ERR_MLIST_AMBIGUOUS',
        facts: {
          candidates: [`${archive.location}:docker.io/library/app:v1`, `${archive.location}:registry.example/x:v2`],
        },
      });
    }));

  test('two images with the same name are ambiguous, and listed by digest', () => {
    const twice = { Config: 'second.json', RepoTags: ['app:v1'], Layers: ['aa/layer.tar'] };
    const all = [...oldForm, { name: 'second.json', content: second.bytes }, listOf(oldItem, twice)];
    return opened(all, async (archive) => {
      const candidates = [manifest, secondManifest].map(({ descriptor }) => `${archive.location}@${descriptor.digest}`);
      await expect(archive.resolveRef('app:v1')).rejects.toMatchObject({
        code: 'ERR_MLIST_AMBIGUOUS',
        facts: { candidates },
      });
      expect((await archive.resolveRef('team/app:v1')).descriptor).toEqual(manifest.descriptor);
    });
  });

  test('an image that is listed once for each of its tags is one image', () =>
    opened(
      [...oldForm, listOf({ ...oldItem, RepoTags: ['app:v1'] }, { ...oldItem, RepoTags: ['app:v2'] })],
      async (archive) => {
        expect((await archive.resolveRef()).descriptor).toEqual(manifest.descriptor);
        expect((await archive.resolveRef('app:v2')).descriptor).toEqual(manifest.descriptor);
      },
    ));

  test('an unknown reference is not found, and the hint lists the names', () =>
    opened(members, async (archive) => {
      await expect(archive.resolveRef('app:v3')).rejects.toMatchObject({
        code: 'ERR_MLIST_NOT_FOUND',
        hint: expect.stringContaining('docker.io/team/app:v1'),
      });
    }));

  test('a reference without a tag resolves to `latest`', () =>
    opened([...oldForm, listOf({ ...oldItem, RepoTags: ['app:latest'] })], async (archive) => {
      expect(await archive.resolveRef('app')).toMatchObject({ ref: 'docker.io/library/app:latest' });
    }));
});

describe('refuses', () => {
  const base = oldForm;
  test.each<[string, readonly Member[], RegExp]>([
    ['no list', [{ name: 'a' }], /it is not an archive of "docker save" \(manifest.json is missing\)/],
    ['the list of docker 1.9', [{ name: 'repositories', content: '{}' }], /docker 1.9 or older/],
    ['a list that is not JSON', [{ name: 'manifest.json', content: '[' }], /manifest.json/],
    ['a list that is an object', [{ name: 'manifest.json', content: '{"Config":"a"}' }], /must be of type array/],
    ['a config outside the archive', [...base, listOf({ ...oldItem, Config: '../../etc/passwd' })], /contains "\.\."/],
    ['a layer with an absolute name', [...base, listOf({ ...oldItem, Layers: ['/etc/passwd', 'a'] })], /absolute/],
  ])('%s', (_, members, reason) =>
    withTar(members, async (path) => {
      await expect(openDockerArchive(path)).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
      await expect(openDockerArchive(path)).rejects.toThrow(reason);
      await expect(openDockerArchive(path)).rejects.toThrow(path);
    }),
  );

  test.each<[string, object, RegExp]>([
    ['a missing config', { ...oldItem, Config: 'none.json' }, /config "none.json" of an image is missing/],
    ['a missing layer', { ...oldItem, Layers: ['aa/layer.tar', 'none'] }, /layer "none" of an image is missing/],
    ['fewer layers than in the config', { ...oldItem, Layers: ['aa/layer.tar'] }, /2 layers in its config, but 1/],
    [
      'more layers than in the config',
      { ...oldItem, Layers: [...oldItem.Layers, 'aa/layer.tar'] },
      /2 layers in its config, but 3/,
    ],
  ])('%s', (_, item, reason) =>
    opened([...base, listOf(item)], async (archive) => {
      await expect(archive.resolveRef()).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
      await expect(archive.resolveRef()).rejects.toThrow(reason);
    }),
  );

  test('a layer with another digest than in the config, when it is read', () =>
    opened([...base, listOf({ ...oldItem, Layers: ['bb/layer.tar', 'bb/layer.tar'] })], async (archive) => {
      const [layer] = (await documentOf(archive)).layers;
      const read = bytesOf(archive.readBlob(layer!));
      await expect(read).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
    }));
});
