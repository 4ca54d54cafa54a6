import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { attestationEntry } from '../support/buildx.ts';
import { expectWhole, fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import {
  entryOf,
  getManifest,
  makeImage,
  makeIndex,
  pushBlob,
  pushImage,
  putManifest,
  type Served,
} from '../support/images.ts';
import { putDocument, putInLayout, tarOfFolder } from '../support/layouts.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { pairsOf } from '../support/long.ts';

/** Indexes that list images which their location lacks, as `docker save` writes them after `docker pull`. */
serveCopyImages();

const architectures = ['amd64', 'arm64', 's390x'];
const images = architectures.map((architecture) =>
  makeImage({ kind: 'oci', salt: `sparse ${architecture}`, platform: { os: 'linux', architecture } }),
);
const [amd64, arm64] = [images[0]!, images[1]!];
const attestation = (salt: string) =>
  makeImage({ kind: 'oci', salt, platform: { os: 'unknown', architecture: 'unknown' } });
const attested = [
  attestationEntry(attestation('of amd64'), amd64) as { digest: string },
  attestationEntry(attestation('of arm64'), arm64) as { digest: string },
];
const entries = images.map((image, at) => entryOf(image, { os: 'linux', architecture: architectures[at]! }));
/** Only the image for amd64 exists. */
const sparse = makeIndex([...entries, ...attested]);
/** The images for amd64 and arm64 exist; the attestations do not. */
const unattested = makeIndex([...entries.slice(0, 2), ...attested]);
/** Its only entry is missing, and not an image. */
const onlyAttestation = makeIndex(attested.slice(0, 1));
/** All images are missing. */
const gone = makeIndex([entries[2]!, attested[1]!]);
const lists: Readonly<Record<string, Served>> = { sparse, unattested, gone, onlyAttestation };
const missingAttestations = attested.map(({ digest }) => digest);

let proxy: RecordingProxy;
let cli: CliHarness;

beforeAll(async () => {
  cli = await CliHarness.make();
  const dir = join(cli.folder, 'layout');
  await putInLayout(dir, amd64);
  await putInLayout(dir, arm64);
  const layout = await openLayout(dir);
  for (const [name, served] of Object.entries(lists)) await putDocument(layout, served, name);
  await writeFile(join(cli.folder, 'saved.tar'), await tarOfFolder(dir));
  await Promise.all(
    [...images, attestation('of amd64'), attestation('of arm64')].map((image) =>
      pushImage(registry.url, 'team/sparse', undefined, image),
    ),
  );
  for (const [name, { mediaType, bytes }] of Object.entries(lists))
    await putManifest(registry.url, 'team/sparse', name, mediaType, bytes);
  proxy = await RecordingProxy.start({ upstream: registry.url });
  proxy.on(new RegExp(`/(manifests|blobs)/(${[images[2]!.digest, ...missingAttestations].join('|')})$`), answer(404));
});
afterAll(() => proxy.close());

const locations: readonly (readonly [string, (name: string) => string])[] = [
  ['a layout', (name) => `oci:layout:${name}`],
  ['an archive', (name) => `oci-archive:saved.tar:${name}`],
  ['a registry', (name) => `${proxy.host}/team/sparse:${name}`],
];

async function spec(text: object): Promise<string> {
  const path = join(cli.folder, `${fresh().replace('/', '-')}.json`);
  await writeFile(path, JSON.stringify(text));
  return path;
}

const commands: readonly (readonly [string, (source: string, target: string) => Promise<readonly string[]>])[] = [
  ['copy', (source, target) => Promise.resolve(['copy', source, target])],
  ['create --push', (source, target) => Promise.resolve(['create', target, source, '--push'])],
  ['join', (source, target) => Promise.resolve(['join', target, source])],
  ['apply', async (source, target) => ['apply', '-f', await spec({ list: target, manifests: [source] })]],
  ['apply of a copy', async (source, target) => ['apply', '-f', await spec({ list: target, copy: source })]],
];

async function digestsAt(repository: string): Promise<readonly string[]> {
  const { bytes } = (await getManifest(registry.url, repository, 'v1'))!;
  return (JSON.parse(bytes.toString()) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
}

const commandsFor = (location: string): typeof commands =>
  pairsOf(locations, commands).flatMap(([[name], command]) => (name === location ? [command] : []));

describe.each(locations)('an index in %s', (location, at) => {
  describe.each(commandsFor(location))('%s', (_command, lineOf) => {
    test('names all missing images and the available platforms', async () => {
      const repository = fresh();
      const result = await cli.run(await lineOf(at('sparse'), `${registry.host}/${repository}:v1`));
      expect(result.code).toBe(4);
      expect(result.stderr).toMatch(/images are missing from \S+: (?:linux\/arm64 \S+, )?linux\/s390x \(sha256:/);
      expect(result.stderr).toMatch(/Available: linux\/amd64[^]*--missing skip/);
      expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    });

    test('--missing skip skips missing images with their attestations', async () => {
      const repository = fresh();
      const line = await lineOf(at('sparse'), `${registry.host}/${repository}:v1`);
      const { code, stderr } = await cli.run([...line, '--missing', 'skip']);
      expect([code, stderr]).toEqual([0, expect.stringMatching(/image linux\/s390x sha256:\w+: missing from/)]);
      expect(await digestsAt(repository)).not.toContain(images[2]!.digest);
      await expectWhole(registry.url, repository, 'v1');
    });

    test('skips missing attestations with one warning', async () => {
      const repository = fresh();
      const { code, stderr } = await cli.run(await lineOf(at('unattested'), `${registry.host}/${repository}:v1`));
      expect([code, stderr.match(/attestations? (?:is|are) left out/g)]).toEqual([0, ['attestations are left out']]);
      expect(await digestsAt(repository)).toEqual([amd64.digest, arm64.digest]);
      await expectWhole(registry.url, repository, 'v1');
    });
  });

  test.each([
    ['copy', (target: string) => ['copy', at('sparse'), target]],
    ['create --push', (target: string) => ['create', target, at('sparse'), '--push']],
  ])('%s --platform does not need the others', async (_command, lineOf) => {
    const repository = fresh();
    const line = lineOf(`${registry.host}/${repository}:v1`);
    const { code, stderr } = await cli.run([...line, '--platform', 'linux/amd64']);
    expect([code, stderr.match(/attestations? (?:is|are) left out/g)]).toEqual([0, ['attestation is left out']]);
    expect(await digestsAt(repository)).toEqual([amd64.digest]);
    await expectWhole(registry.url, repository, 'v1');
  });

  const replacing: typeof commands = [
    ...commands.filter(([command]) => command !== 'join'),
    ['--dry-run', (source, target) => Promise.resolve(['create', target, source, '--push', '--dry-run', '--replace'])],
  ];
  test.each(replacing)('%s does not replace a tag by an empty list', async (_command, lineOf) => {
    for (const more of [[], ['--missing', 'skip']]) {
      const repository = fresh();
      await pushImage(registry.url, repository, 'v1', amd64);
      const line = await lineOf(at('onlyAttestation'), `${registry.host}/${repository}:v1`);
      const { code, stderr } = await cli.run([...line, ...more]);
      expect([[3, 4].includes(code), stderr]).toEqual([
        true,
        expect.stringMatching(/W-EMPTY|only attestations are selected/),
      ]);
      expect((await getManifest(registry.url, repository, 'v1'))?.digest).toBe(amd64.digest);
    }
  });

  test('--missing skip does not make an empty list', async () => {
    const { code, stderr } = await cli.run(['copy', at('gone'), `${registry.host}/${fresh()}:v1`, '--missing', 'skip']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/linux\/s390x[^]*None of the images in the index is available/),
    ]);
  });

  test('--missing skip with a platform that is missing', async () => {
    const line = ['copy', at('sparse'), `${registry.host}/${fresh()}:v1`, '--platform', 'linux/s390x'];
    const { code, stderr } = await cli.run([...line, '--missing', 'skip']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/has no image for linux\/s390x\nhint: Available: linux\/amd64/),
    ]);
  });
});

test('--allow-empty pushes a list without any remaining image', async () => {
  const repository = fresh();
  const line = ['create', `${registry.host}/${repository}:v1`, `${proxy.host}/team/sparse:onlyAttestation`];
  await cli.must(...line, '--push', '--allow-empty');
  expect(await digestsAt(repository)).toEqual([]);
});

describe('specs', () => {
  test.each(['copy', 'manifests'])('say with "missing" what becomes of missing images (%s)', async (member) => {
    const repository = fresh();
    const source = 'oci-archive:saved.tar:sparse';
    const list = { list: `${registry.host}/${repository}:v1`, missing: 'skip' };
    const path = await spec({ ...list, [member]: member === 'copy' ? source : [source] });
    await cli.must('apply', '-f', path, '--missing', 'refuse');
    expect(await digestsAt(repository)).toEqual([amd64.digest, arm64.digest]);
  });
});

describe('a draft', () => {
  const list = (): string => `${registry.host}/${fresh()}:v1`;

  test('is checked when its source is a file', async () => {
    for (const source of ['oci:layout:sparse', 'oci-archive:saved.tar:sparse'])
      expect(await cli.run(['create', list(), source])).toMatchObject({ code: 4 });
  });

  test('of a sparse index in a registry is pushed after it is amended', async () => {
    const name = list();
    await cli.must('create', name, `${proxy.host}/team/sparse:sparse`);
    const { code, stderr } = await cli.run(['push', name]);
    const hint = `mlist create --amend ${name} --missing skip`;
    expect([code, stderr]).toEqual([4, expect.stringContaining(hint)]);
    await cli.must('create', '--amend', name, '--missing', 'skip');
    await cli.must('push', name);
  });

  test('takes an image from add --missing skip', async () => {
    const name = list();
    await cli.must('create', name);
    expect(await cli.run(['add', name, 'oci:layout:sparse'])).toMatchObject({ code: 4 });
    await cli.must('add', name, 'oci:layout:sparse', '--missing', 'skip');
    await cli.must('push', name);
  });
});

describe('a list in its registry', () => {
  test('is copied within its repository without missing images', async () => {
    const repository = `${proxy.host}/team/sparse`;
    await cli.must('copy', `${repository}:sparse`, `${repository}:v1`, '--missing', 'skip');
    expect(await digestsAt('team/sparse')).toEqual([amd64.digest, arm64.digest]);
  });

  test('an edit without a draft names the command that removes missing images', async () => {
    const name = `docker://${proxy.host}/team/sparse:sparse`;
    const refusal = JSON.stringify({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }] });
    proxy.on(/^PUT .*\/manifests\//, answer(400, {}, refusal));
    const { code, stderr } = await cli.run([
      'annotate',
      name,
      '--platform',
      'linux/amd64',
      '--variant',
      'v2',
      '--push',
    ]);
    expect([code, stderr]).toEqual([4, expect.stringContaining(`mlist remove ${name} DIGEST... --push`)]);
  });
});

test('an image without its layer is missing', async () => {
  const dir = join(cli.folder, 'part');
  const layout = await openLayout(dir, { create: true });
  await putInLayout(dir, amd64);
  await putDocument(layout, arm64);
  await putDocument(layout, makeIndex(entries.slice(0, 2)), 'v1');
  const target = `${registry.host}/${fresh()}:v1`;
  const refused = await cli.run(['copy', 'oci:part:v1', target]);
  expect([refused.code, refused.stderr]).toEqual([
    4,
    expect.stringMatching(/linux\/arm64 \(sha256:\w+\) \(incomplete\)/),
  ]);
  await cli.must('copy', 'oci:part:v1', target, '--missing', 'skip');
});

test('an image whose manifest is stored as a blob is not missing', async () => {
  const list = makeIndex([entries[0]!, entries[2]!]);
  await putManifest(registry.url, 'team/sparse', 'blob', list.mediaType, list.bytes);
  await pushBlob(registry.url, 'team/sparse', images[2]!.bytes);
  const stored = await RecordingProxy.start({ upstream: registry.url });
  stored.on(new RegExp(`/manifests/${images[2]!.digest}$`), answer(404));
  for (const missing of ['refuse', 'skip']) {
    const repository = fresh();
    const line = ['copy', `${stored.host}/team/sparse:blob`, `${registry.host}/${repository}:v1`, '--missing', missing];
    expect(await cli.must(...line)).toBe(list.digest);
    await expectWhole(registry.url, repository, 'v1');
  }
  await stored.close();
});
