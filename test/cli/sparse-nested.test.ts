import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectWhole, fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Served } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Indexes that list other indexes, whose images are missing in the registry. */
serveCopyImages();

const [amd64, s390x] = ['amd64', 's390x'].map((architecture) =>
  makeImage({ kind: 'oci', salt: `nested ${architecture}`, platform: { os: 'linux', architecture } }),
) as [ReturnType<typeof makeImage>, ReturnType<typeof makeImage>];
const entryOfIndex = ({ mediaType, digest, bytes }: Served) => ({ mediaType, digest, size: bytes.length });
const inner = makeIndex([entryOf(s390x, { os: 'linux', architecture: 's390x' })]);
const middle = makeIndex([entryOfIndex(inner)]);
const amd64Entry = entryOf(amd64, { os: 'linux', architecture: 'amd64' });
const lists = {
  inner,
  middle,
  nest: makeIndex([amd64Entry, entryOfIndex(inner)]),
  deep: makeIndex([amd64Entry, entryOfIndex(middle)]),
  pair: makeIndex([amd64Entry, entryOf(s390x, { os: 'linux', architecture: 's390x' })]),
};

let proxy: RecordingProxy;
let cli: CliHarness;

beforeAll(async () => {
  cli = await CliHarness.make();
  for (const image of [amd64, s390x]) await pushImage(registry.url, 'team/nested', undefined, image);
  for (const [name, { mediaType, bytes }] of Object.entries(lists))
    await putManifest(registry.url, 'team/nested', name, mediaType, bytes);
  proxy = await RecordingProxy.start({ upstream: registry.url });
});
afterAll(() => proxy.close());

async function digestsAt(repository: string, tag: string): Promise<readonly string[]> {
  const { bytes } = (await getManifest(registry.url, repository, tag))!;
  return (JSON.parse(bytes.toString()) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
}

const copyLine = (source: string, target: string) => ['copy', source, target];
const createLine = (source: string, target: string) => ['create', target, source, '--push'];

describe.each(['nest', 'deep'])('--missing skip leaves a nested index out that lacks an image (%s)', (list) => {
  const source = (): string => `${proxy.host}/team/nested:${list}`;
  beforeAll(() => proxy.on(new RegExp(`/(manifests|blobs)/${s390x.digest}$`), answer(404)));

  test.each([
    ['copy', copyLine],
    ['create --push', createLine],
  ])('%s', async (_command, lineOf) => {
    const name = fresh().replace('/', '-');
    const within = lineOf(source(), `${proxy.host}/team/nested:${name}`);
    const { code, stderr } = await cli.run([...within, '--missing', 'skip']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/skipped image sha256:\w+: missing from/)]);
    expect(await digestsAt('team/nested', name)).toEqual([amd64.digest]);

    const repository = fresh();
    await cli.must(...lineOf(source(), `${registry.host}/${repository}:v1`), '--missing', 'skip');
    expect(await digestsAt(repository, 'v1')).toEqual([amd64.digest]);
    await expectWhole(registry.url, repository, 'v1');
  });
});

test('--missing skip keeps a nested index that is complete', async () => {
  const repository = fresh();
  const line = copyLine(`${registry.host}/team/nested:deep`, `${registry.host}/${repository}:v1`);
  expect(await cli.must(...line, '--missing', 'skip')).toBe(lists.deep.digest);
});

test('no hint suggests --missing skip if it was given', async () => {
  const partial = await RecordingProxy.start({ upstream: registry.url });
  partial.on(new RegExp(`^GET .*/(manifests|blobs)/${s390x.digest}$`), answer(404));
  const source = `${partial.host}/team/nested:pair`;
  for (const lineOf of [createLine, (from: string, to: string) => ['join', to, from]]) {
    const { code, stderr } = await cli.run([...lineOf(source, `${registry.host}/${fresh()}:v1`), '--missing', 'skip']);
    expect([code, stderr]).toEqual([4, expect.not.stringContaining('--missing skip')]);
  }
  await partial.close();
});
