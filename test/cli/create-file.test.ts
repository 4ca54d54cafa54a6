import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { attestationEntry } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import {
  amd64,
  arm64,
  at,
  build,
  images,
  registry,
  serveCreateImages,
  type Drafted,
} from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `create -f` with an index in a file or on stdin creates the same list as with the same index in a registry. */
serveCreateImages();

let cli: CliHarness;
let attestation: Image;
let published: { readonly digest: string; readonly bytes: Buffer };

beforeAll(async () => {
  attestation = makeImage({ kind: 'oci', salt: 'attests', platform: { os: 'unknown', architecture: 'unknown' } });
  await pushImage(registry.url, 'team/app', undefined, attestation);
  const bytes = Buffer.from(JSON.stringify(documentOf({ k: 'v' }), undefined, 5));
  await putManifest(registry.url, 'team/app', 'published', 'application/vnd.oci.image.index.v1+json', bytes);
  published = { bytes, digest: await CliHarness.make().then((one) => one.must('digest', at('team/app:published'))) };
});
beforeEach(async () => {
  cli = await CliHarness.make();
});

/** An index with all optional fields, with an attestation and an annotated descriptor. */
function documentOf(annotations: object): object {
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    artifactType: 'application/x',
    'x-later': { a: [1, null] },
    manifests: [
      { ...entryOf(images.amd64, amd64), annotations: { of: 'amd64' } },
      entryOf(images.arm64, arm64),
      attestationEntry(attestation, images.amd64),
    ],
    subject: entryOf(images.arm),
    annotations,
  };
}

const file = (content: string | Uint8Array) => writeFile(join(cli.folder, 'index.json'), content);
const digestsOf = ({ entries }: Drafted) => entries.map(({ digest }) => digest);
const inspected = async (): Promise<unknown> => JSON.parse(await cli.must('inspect'));

describe('an index in a file', () => {
  test.each(['a file', 'stdin'])(
    'in %s: all that it says comes along, and what is published keeps its bytes',
    async (input) => {
      await file(published.bytes);
      const args = ['create', at('team/app:same'), '-f', input === 'stdin' ? '-' : 'index.json'];
      expect(await cli.run(args, { stdin: published.bytes })).toMatchObject({ code: 0 });
      expect(await cli.must('inspect', '--raw')).toBe(published.bytes.toString());
      expect(await cli.must('push')).toBe(published.digest);
    },
  );

  test('that no registry has is written like any other list', async () => {
    await file(JSON.stringify(documentOf({ k: 'mine' }), undefined, 5));
    await cli.must('create', at('team/app:mine'), '-f', 'index.json');
    expect(await inspected()).toEqual(documentOf({ k: 'mine' }));
    expect(await cli.must('inspect', '--raw')).not.toContain('\n');
    await cli.must('push');
  });

  test.each([
    ['application/vnd.docker.distribution.manifest.list.v2+json', 'auto'],
    ['application/vnd.oci.image.index.v1+json', 'oci'],
  ])('%s: keeps the format of the index', async (mediaType, format) => {
    const { bytes } = makeIndex([entryOf(images.amd64, amd64)], {}, mediaType);
    await file(bytes);
    expect(await cli.json<object>('create', at('team/app:typed'), '-f', 'index.json')).toMatchObject({ format });
    expect(await inspected()).toEqual(JSON.parse(bytes.toString()));
  });

  test.each([
    ['with an image', ['team/app:other']],
    ['with another index', ['team/built']],
  ])('with %s: drops the fields of the index, with a warning that names the file', async (_name, others) => {
    await file(published.bytes);
    const { code, stderr } = await cli.run(['create', at('team/app:l'), '-f', 'index.json', ...others.map(at)]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(
        'warning: members of the index index.json are not kept, because there are several sources: artifactType, x-later, subject, annotations',
      ),
    ]);
    expect(await inspected()).not.toHaveProperty('annotations');
  });

  test('two indexes in one array are two sources', async () => {
    const { code, stderr } = await cli.run(['create', at('team/app:l'), '-f', '-'], {
      stdin: JSON.stringify([documentOf({ a: '1' }), documentOf({ b: '2' })]),
    });
    expect([code, stderr.match(/of the index stdin are not kept/g)?.length]).toEqual([0, 2]);
  });

  test.each([
    ['--platform linux/arm64', () => [images.arm64.digest]],
    ['--platform linux/amd64', () => [images.amd64.digest, attestation.digest]],
    ['--attestations drop', () => [images.amd64.digest, images.arm64.digest]],
  ])('filtered by %s keeps attestations with their images', async (flags, expected) => {
    await file(published.bytes);
    const created = await cli.json<Drafted>('create', at('team/app:l'), '-f', 'index.json', ...flags.split(' '));
    expect(digestsOf(created)).toEqual(expected());
  });

  test('keeps a nested index as an entry, unless --nested says otherwise', async () => {
    const [one, two] = build.images;
    await file(makeIndex([entryOf({ ...build.index, blobs: [] })]).bytes);
    const create = (...flags: readonly string[]) =>
      cli.json<Drafted>('create', at(`team/built:l${flags.length}`), '-f', 'index.json', ...flags);
    expect(digestsOf(await create())).toEqual([build.index.digest]);
    expect(digestsOf(await cli.json<Drafted>('create', '--amend'))).toEqual([build.index.digest]);
    expect(digestsOf(await create('--nested', 'flatten'))).toEqual(expect.arrayContaining([one?.digest, two?.digest]));
  });

  test('--amend and --replace keep what annotate has set, the fields of its entries, and its attestations', async () => {
    await file(published.bytes);
    await cli.must('create', at('team/app:kept'), '-f', 'index.json');
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const before = await inspected();
    for (const more of [['--amend'], ['--amend', '-f', 'index.json'], ['--replace', '-f', 'index.json']]) {
      const created = await cli.json<Drafted>('create', at('team/app:kept'), ...more);
      expect([more, created.changed]).toEqual([more, false]);
      expect(await inspected()).toEqual(before);
    }
  });

  test('--amend with a rebuilt index replaces attestations with their images', async () => {
    await file(published.bytes);
    await cli.must('create', at('team/app:again'), '-f', 'index.json');
    const attests = makeImage({
      kind: 'oci',
      salt: 'attests again',
      platform: { os: 'unknown', architecture: 'unknown' },
    });
    await pushImage(registry.url, 'team/app', undefined, attests);
    await file(makeIndex([entryOf(images.other, amd64), attestationEntry(attests, images.other)]).bytes);
    const created = await cli.json<Drafted>('create', at('team/app:again'), '--amend', '-f', 'index.json');
    expect(digestsOf(created)).toEqual([images.other.digest, images.arm64.digest, attests.digest]);
  });

  test.each([
    ['of an unknown version', '{"schemaVersion":3,"manifests":[]}'],
    ['that is ambiguous', '{"schemaVersion":2,"manifests":[],"layers":[]}'],
    ['with an invalid annotation', '{"schemaVersion":2,"manifests":[],"annotations":{"a":1}}'],
  ])('refuses an index %s', async (_name, text) => {
    expect(await cli.run(['create', at('team/app:l'), '-f', '-'], { stdin: text })).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('stdin') as unknown,
    });
  });
});

describe('the repository of the images', () => {
  test.each<[string, () => string]>([
    ['an index', () => published.bytes.toString()],
    ['a descriptor', () => JSON.stringify(entryOf(images.arm64, arm64))],
    ['digests', () => `${images.arm64.digest}\n`],
    ['the metadata of a build', () => JSON.stringify({ 'containerimage.digest': images.arm64.digest })],
  ])('%s: --repo sets it, and without --repo the hint names the option', async (name, content) => {
    await file(content());
    const repository = at(`pipe/${name.replaceAll(' ', '-')}`);
    const create = (...args: readonly string[]) => cli.run(['create', repository, '-f', 'index.json', ...args]);
    expect(await create()).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`hint: A digest without a repository is looked up in ${repository}. `) as unknown,
    });
    expect(await create('--repo', at('team/app'))).toMatchObject({ code: 0 });
    await cli.must('push');
  });

  test('names every missing image of an index', async () => {
    const { code, stderr } = await cli.run(['create', at('pipe/b:1'), '-f', '-'], { stdin: published.bytes });
    expect([code, stderr]).toEqual([4, expect.stringContaining(`images are missing from ${at('pipe/b')}: `)]);
    for (const { digest } of [images.amd64, images.arm64]) expect(stderr).toContain(digest.slice(0, 19));
  });

  test('creates the same list as the index, piped from one repository to another', async () => {
    const args = ['create', at('pipe/piped:1'), '-f', '-', '--repo', at('team/app')];
    expect((await cli.run(args, { stdin: published.bytes })).code).toBe(0);
    expect(await cli.must('push')).toBe(published.digest);
  });

  test('empty stdin', async () => {
    expect(await cli.run(['create', at('pipe/b:1'), '-f', '-'])).toMatchObject({
      code: 2,
      stderr: 'mlist: no sources in stdin\n',
    });
  });
});
