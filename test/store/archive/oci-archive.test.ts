import { gzipSync } from 'node:zlib';
import { open, rename, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../../src/store/archive/oci-archive.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { blobOf, bytesOf, collect, imageOf, indexOf } from '../samples.ts';
import { blobMember, entryFor, header, imageName, indexMember, membersOf, refName, withTar } from './layout-tar.ts';
import { tarOf, type Member } from './tar-bytes.ts';

const image = imageOf('a');
const other = imageOf('b');
const list = indexOf([
  { ...image.manifest.descriptor, platform: { architecture: 'amd64', os: 'linux' } },
  { ...other.manifest.descriptor, platform: { architecture: 'arm64', os: 'linux' } },
]);
const listMembers = [...membersOf(image), ...membersOf(other), blobMember(list)];

async function opened<T>(members: readonly Member[], work: (archive: OciArchive) => Promise<T>): Promise<T> {
  return withTar(members, async (path) => {
    const archive = await OciArchive.open(path);
    try {
      return await work(archive);
    } finally {
      await archive.close();
    }
  });
}

test('a list is read byte for byte, with all its descendants', () =>
  opened([header, ...listMembers, indexMember([entryFor(list, { [refName]: 'v1' })])], async (archive) => {
    for (const name of ['v1', list.descriptor.digest]) expect(await archive.fetchManifest(name)).toEqual(list);
    expect(await archive.fetchManifest(other.manifest.descriptor.digest)).toEqual(other.manifest);
    for (const { descriptor, bytes } of [other.config, ...other.layers]) {
      expect(archive.hasBlob(descriptor)).toBe(true);
      expect(Buffer.from(await archive.fetchBlob(descriptor))).toEqual(bytes);
      expect(await bytesOf(archive.readBlob(descriptor))).toEqual(bytes);
    }
    expect(await collect(archive.tags())).toEqual(['v1']);
    expect(await archive.resolve('v1')).toEqual(list.descriptor);
    await expect(archive.resolve('v2')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
    const nowhere = blobOf('nowhere').descriptor;
    await expect(archive.fetchBlob(nowhere)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
  }));

test('referrers are found', () => {
  const signature = imageOf('s', { subject: image.manifest.descriptor, artifactType: 'application/x.sig' });
  const members = [...membersOf(image), ...membersOf(signature)];
  const index = indexMember([entryFor(image.manifest, { [refName]: 'v1' }), entryFor(signature.manifest)]);
  return opened([header, ...members, index], async (archive) => {
    expect(await archive.referrers(image.manifest.descriptor.digest)).toMatchObject([
      { digest: signature.manifest.descriptor.digest, artifactType: 'application/x.sig' },
    ]);
    expect((await archive.resolveRef()).ref).toBe('v1');
  });
});

test('a damaged blob is refused before its last chunk', () => {
  const [layer] = image.layers;
  const wrong = { ...blobMember(layer!), content: Buffer.from(layer!.bytes).fill(0x58, 0, 1) };
  const index = indexMember([entryFor(image.manifest, { [refName]: 'v1' })]);
  return opened([header, blobMember(image.config), wrong, blobMember(image.manifest), index], async (archive) => {
    const chunks: Uint8Array[] = [];
    const read = async () => {
      for await (const chunk of archive.readBlob(layer!.descriptor)) chunks.push(chunk);
    };
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_MLIST_CONTENT_MISMATCH',
      message: expect.stringMatching(/^the blob sha256:\w+ in \S+ is damaged: it has the digest /) as unknown,
    });
    expect(chunks).toEqual([]);
  });
});

describe('an archive that changes while it is read', () => {
  const large = blobOf('x'.repeat(600_000));
  const members = [header, ...membersOf(image), blobMember(large), indexMember([entryFor(image.manifest)])];

  /** Reads a blob, and changes the archive after the first chunk. */
  async function readWhile(change: (path: string) => Promise<void>): Promise<Uint8Array> {
    return withTar(members, async (path) => {
      const archive = await OciArchive.open(path);
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of archive.readBlob(large.descriptor)) {
          if (chunks.length === 0) await change(path);
          chunks.push(chunk);
        }
      } finally {
        await archive.close();
      }
      return Buffer.concat(chunks);
    });
  }

  const unixOnly = process.platform === 'win32' ? test.skip : test;
  unixOnly('since another takes its place is read to its end as it was', async () => {
    const read = await readWhile(async (path) => {
      const next = join(dirname(path), 'next.tar');
      await writeFile(next, 'something else');
      await rename(next, path);
    });
    expect(Buffer.from(read)).toEqual(Buffer.from(large.bytes));
  });

  test('by truncation causes an error', async () => {
    const read = readWhile((path) => truncate(path, 4096));
    await expect(read).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
  });

  test('by replacement causes an error', async () => {
    const read = readWhile(async (path) => {
      const file = await open(path, 'r+');
      const { size } = await file.stat();
      await file.write(Buffer.alloc(size - 4096, 'y'), 0, size - 4096, 4096);
      await file.close();
    });
    await expect(read).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
  });
});

test('a compressed archive is read', () =>
  withTar([], async (path) => {
    const index = indexMember([entryFor(list, { [refName]: 'v1' })]);
    await writeFile(path, gzipSync(tarOf(header, ...listMembers, index)));
    const archive = await OciArchive.open(path);
    expect(await archive.fetchManifest('v1')).toEqual(list);
    await archive.close();
  }));

describe('a location without a reference resolves to the only image or list', () => {
  const named = (content: typeof list, name: string) => entryFor(content, { [refName]: name });
  const attachedTag = image.manifest.descriptor.digest.replace(':', '-');
  const signature = imageOf('s', { subject: image.manifest.descriptor });

  test.each<[string, readonly object[], string | undefined]>([
    ['one list with a tag', [named(list, 'v1')], 'v1'],
    ['one list without a tag', [entryFor(list)], undefined],
    ['one list with several tags', [named(list, 'v1'), named(list, 'v2')], 'v1'],
    ['a list and its children', [named(list, 'v1'), entryFor(image.manifest), entryFor(other.manifest)], 'v1'],
    ['an untagged list and its children', [entryFor(image.manifest), entryFor(list)], undefined],
    ['an image and an untagged one', [entryFor(other.manifest), named(image.manifest, 'v1')], 'v1'],
    ['an image and its signature', [named(image.manifest, 'v1'), entryFor(signature.manifest)], 'v1'],
    [
      'one beside what other tools hang on it',
      [named(image.manifest, 'v1'), named(other.manifest, `${attachedTag}.sig`), named(list, attachedTag)],
      'v1',
    ],
    [
      'one that an engine named',
      [entryFor(list, { [imageName]: 'docker.io/library/app:v1', [refName]: 'v1' })],
      'docker.io/library/app:v1',
    ],
  ])('%s', (_, entries, ref) =>
    opened([header, ...listMembers, ...membersOf(signature), indexMember(entries)], async (archive) => {
      expect((await archive.resolveRef()).ref).toBe(ref);
    }),
  );

  test.each<[string, readonly object[], readonly string[]]>([
    ['by their tags', [named(list, 'v1'), named(image.manifest, 'v2')], [':v1', ':v2']],
    [
      'by their digests',
      [entryFor(image.manifest), entryFor(other.manifest)],
      [`@${image.manifest.descriptor.digest}`, `@${other.manifest.descriptor.digest}`],
    ],
  ])('several candidates are reported %s', (_, entries, names) =>
    opened([header, ...listMembers, indexMember(entries)], async (archive) => {
      await expect(archive.resolveRef()).rejects.toMatchObject({
        code: 'ERR_MLIST_AMBIGUOUS',
        facts: { candidates: names.map((name) => archive.location + name) },
      });
    }),
  );

  test('an empty archive has none', () =>
    opened([header, indexMember([])], async (archive) => {
      await expect(archive.resolveRef()).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
    }));
});

describe('a reference resolves to', () => {
  const entries = [
    entryFor(list, { [imageName]: 'docker.io/library/app:v1', [refName]: 'v1' }),
    entryFor(image.manifest, { [refName]: 'docker.io/team/app:v1' }),
    entryFor(other.manifest, { [imageName]: 'registry.example/app:v1', [refName]: 'latest' }),
  ];

  test.each([
    ['a tag', 'v1', list],
    ['a tag that is a full reference', 'docker.io/team/app:v1', image.manifest],
    ['the image name of an engine', 'docker.io/library/app:v1', list],
    ['that name in familiar form', 'app:v1', list],
    ['the name in another registry', 'registry.example/app:v1', other.manifest],
  ])('%s', (_, ref, expected) =>
    opened([header, ...listMembers, indexMember(entries)], async (archive) => {
      expect(await archive.resolveRef(ref)).toEqual({ descriptor: expected.descriptor, ref });
    }),
  );

  test('nothing if it is unknown, and the hint lists the names', () =>
    opened([header, ...listMembers, indexMember(entries)], async (archive) => {
      await expect(archive.resolveRef('v9')).rejects.toMatchObject({
        code: 'ERR_MLIST_NOT_FOUND',
        hint: 'Available: docker.io/library/app:v1, docker.io/team/app:v1, registry.example/app:v1.',
      });
    }));
});

describe('refuses', () => {
  test.each<[string, readonly Member[], RegExp]>([
    ['an empty archive', [], /contains no oci-layout file/],
    ['an archive without oci-layout', [indexMember([])], /contains no oci-layout file/],
    ['an archive of docker save', [{ name: 'manifest.json', content: '[]' }], /contains no oci-layout file/],
    ['an archive without index.json', [header], /contains no index.json/],
    [
      'an archive of another layout version',
      [{ ...header, content: '{"imageLayoutVersion":"2.0"}' }],
      /only "1.0.0" is supported/,
    ],
    ['an archive with a damaged oci-layout', [{ ...header, content: '{' }], /oci-layout is damaged/],
    [
      'an archive with a damaged index',
      [header, { name: 'index.json', content: '{"manifests":{}}' }],
      /index.json is damaged/,
    ],
    [
      'an archive whose index has a digest with ..',
      [header, indexMember([{ mediaType: MediaType.ociIndex, digest: 'sha256:../../etc/passwd', size: 1 }])],
      /invalid digest/,
    ],
  ])('%s', (_, members, reason) =>
    withTar(members, async (path) => {
      const error = OciArchive.open(path);
      await expect(error).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
      await expect(OciArchive.open(path)).rejects.toThrow(reason);
      await expect(OciArchive.open(path)).rejects.toThrow(path);
    }),
  );

  test('suggests docker-archive: for an archive of docker save', () =>
    withTar([{ name: 'manifest.json', content: '[]' }], async (path) => {
      await expect(OciArchive.open(path)).rejects.toMatchObject({ hint: expect.stringContaining('docker-archive:') });
    }));
});
