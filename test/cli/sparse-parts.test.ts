import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { attestationEntry } from '../support/buildx.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { expectWhole, fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256, type Image } from '../support/images.ts';
import { writeSaved, writeSavedArchive } from '../support/layouts.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';

/** `create` joins the parts of one index that several archives hold, as after pulls on machines of several platforms. */
serveCopyImages();

const imageFor = (architecture: string): Image =>
  makeImage({ kind: 'oci', salt: `part ${architecture}`, platform: { os: 'linux', architecture } });
const [amd64, arm64, s390x] = ['amd64', 'arm64', 's390x'].map(imageFor) as [Image, Image, Image];
const attestation = makeImage({ kind: 'oci', salt: 'part', platform: { os: 'unknown', architecture: 'unknown' } });
const entries = [amd64, arm64, s390x].map((image, at) =>
  entryOf(image, { os: 'linux', architecture: ['amd64', 'arm64', 's390x'][at]! }),
);
/** The order differs from that of the parts. */
const index = makeIndex([entries[1]!, entries[0]!, attestationEntry(attestation, arm64)], {
  annotations: { kept: 'yes' },
});
const other = makeIndex([entries[2]!, entries[1]!]);

let cli: CliHarness;
/** A registry without the image for amd64. */
let sparse: RecordingProxy;

beforeAll(async () => {
  cli = await CliHarness.make();
  const at = (name: string) => join(cli.folder, name);
  const annotations = (repository: string) => [{ 'io.containerd.image.name': `docker.io/${repository}:v1` }];
  await writeSavedArchive(at('amd64.tar'), { index, content: [amd64], annotations: annotations('one/app') });
  await writeSavedArchive(at('arm64.tar'), {
    index,
    content: [arm64, attestation],
    annotations: annotations('two/app'),
  });
  await writeSaved(at('arm64'), { index, content: [arm64] });
  await writeSaved(at('layerless'), { index, content: [arm64, attestation], without: [sha256(arm64.blobs[1]!)] });
  await writeSavedArchive(at('other.tar'), { index: other, content: [arm64] });
  for (const image of [arm64, amd64, attestation]) await pushImage(registry.url, 'parts/app', undefined, image);
  await putManifest(registry.url, 'parts/app', 'v1', index.mediaType, index.bytes);
  sparse = await RecordingProxy.start({ upstream: registry.url });
  sparse.on(new RegExp(`/parts/app/(manifests|blobs)/${amd64.digest}$`), answer(404));
});
afterAll(() => sparse.close());

interface CreatedDocument {
  readonly entries: readonly { readonly source: string; readonly digest: string; readonly fill?: readonly string[] }[];
}

const targetOf = (repository: string): string => `${registry.host}/${repository}:v1`;

const arm64Sources: readonly (readonly [string, () => string])[] = [
  ['another archive', () => 'oci-archive:arm64.tar'],
  ['a registry', () => `${sparse.host}/parts/app:v1`],
];

describe.each(arm64Sources)('with %s', (_name, second) => {
  test.each([
    ['first', () => ['oci-archive:amd64.tar', second()]],
    ['last', () => [second(), 'oci-archive:amd64.tar']],
  ])('the list has the digest of the index (%s)', async (_order, sources) => {
    const repository = fresh();
    const { entries: created } = await cli.json<CreatedDocument>('create', targetOf(repository), ...sources());
    expect(created.map(({ digest, source }) => [digest, source])).toEqual([
      [arm64.digest, second()],
      [amd64.digest, 'oci-archive:amd64.tar'],
      [attestation.digest, second()],
    ]);
    expect(await cli.must('push', targetOf(repository))).toBe(index.digest);
    await expectWhole(registry.url, repository, 'v1');
  });
});

test('create --push, add and join join the parts', async () => {
  const sources = ['oci-archive:amd64.tar', 'oci-archive:arm64.tar'];
  const [created, added, joined] = [fresh(), fresh(), fresh()];
  expect(await cli.must('create', targetOf(created), ...sources, '--push')).toBe(index.digest);
  await cli.must('create', targetOf(added));
  await cli.must('add', targetOf(added), ...sources);
  await cli.must('push', targetOf(added));
  await cli.must('join', targetOf(joined), ...sources);
  for (const repository of [created, added, joined]) await expectWhole(registry.url, repository, 'v1');
});

test('parts without the attestation leave it out with a warning', async () => {
  const repository = fresh();
  const line = ['create', targetOf(repository), 'oci-archive:amd64.tar', 'oci:arm64', '--push'];
  const { code, stderr } = await cli.run(line);
  expect([code, stderr]).toEqual([0, expect.stringContaining('1 attestation is left out')]);
  expect(stderr).not.toContain('duplicate');
  await expectWhole(registry.url, repository, 'v1');
});

test('a layer is read from another part', async () => {
  const repository = fresh();
  const sources = ['oci:layerless', 'oci-archive:amd64.tar', 'oci:arm64'];
  const { entries: created } = await cli.json<CreatedDocument>('create', targetOf(repository), ...sources);
  expect(created[0]).toMatchObject({ digest: arm64.digest, source: 'oci:arm64' });
  await cli.must('push', targetOf(repository));
  await expectWhole(registry.url, repository, 'v1');
});

test('only what no part has is missing', async () => {
  const { code, stderr } = await cli.run(['create', targetOf(fresh()), 'oci:arm64', 'oci:layerless']);
  expect([code, stderr]).toEqual([4, expect.stringMatching(/linux\/amd64 \(sha256:\w+\)\n/)]);
  const nothing = await cli.run(['create', targetOf(fresh()), 'oci-archive:amd64.tar', 'oci-archive:other.tar']);
  expect([nothing.code, nothing.stderr]).toEqual([4, expect.stringContaining('missing from oci-archive:other.tar')]);
});

test('--missing skip and --platform apply to the joined index', async () => {
  const repository = fresh();
  const sources = ['oci-archive:amd64.tar', 'oci-archive:arm64.tar'];
  await cli.must('create', targetOf(repository), ...sources, '--platform', 'linux/arm64', '--push');
  await expectWhole(registry.url, repository, 'v1');
  const { entries: skipped } = await cli.json<CreatedDocument>(
    ...['create', targetOf(fresh()), 'oci:arm64', 'oci:layerless', '--missing', 'skip'],
  );
  expect(skipped.map(({ digest }) => digest)).toEqual([arm64.digest, attestation.digest]);
});

test('--missing fill asks the registries that all parts name after the parts', async () => {
  await pushImage(registry.url, 'fill/app', undefined, attestation);
  const repository = fresh();
  const line = ['create', targetOf(repository), 'oci-archive:amd64.tar', 'oci:arm64', '--push', '--missing', 'fill'];
  registry.requests.length = 0;
  expect(await cli.must(...line, '--fill-from', `${registry.host}/fill/app`)).toBe(index.digest);
  const asked = registry.requests.filter((request) => request.includes('/fill/app/manifests/'));
  expect([...asked].sort()).toEqual(
    [`GET`, `HEAD`].map((method) => `${method} /v2/fill/app/manifests/${attestation.digest}`),
  );
  await expectWhole(registry.url, repository, 'v1');
});

describe('an existing draft', () => {
  const sources = ['oci-archive:amd64.tar', 'oci-archive:arm64.tar'];
  const draftOf = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(await cli.must('ls', '--json').then(pathOf(name)), 'utf8'));
  const pathOf = (name: string) => (text: string) =>
    (JSON.parse(text) as { drafts: { ref: string; path: string }[] }).drafts.find(({ ref }) => ref === name)!.path;

  test.each([
    ['--amend', ['--amend']],
    ['--amend with its sources', ['--amend', ...sources]],
    ['--replace', ['--replace', ...sources]],
    ['the same command', sources],
  ])('keeps its settings with %s', async (_name, more) => {
    const name = targetOf(fresh());
    await cli.must('create', name, ...sources);
    await cli.must('annotate', name, '--platform', 'linux/amd64', '--annotation', 'mine=yes');
    const before = await draftOf(name);
    await cli.must('create', name, ...more);
    expect(await draftOf(name)).toEqual(before);
  });
});
