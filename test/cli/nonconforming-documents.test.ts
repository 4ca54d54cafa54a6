import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectWhole, fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, pushImage, sha256 } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Documents that violate their specification, and that docker, crane and oras accept. */
serveCopyImages();

const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
const ociIndex = 'application/vnd.oci.image.index.v1+json';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const linux = { os: 'linux', architecture: 'amd64' };
const docker = makeImage({ platform: linux, salt: 'tolerated' });
const oci = makeImage({ platform: linux, kind: 'oci', salt: 'tolerated' });
const untyped = makeImage({ platform: linux, kind: 'oci', salt: 'untyped', manifest: { mediaType: undefined } });
const unlayered = makeImage({ platform: linux, kind: 'oci', salt: 'unlayered', manifest: { layers: null } });

const bytesOf = (document: object) => Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
const nulls = { mediaType: ociIndex, annotations: null };

/** Tag, media type of the response, bytes, and warning. */
const documents: readonly (readonly [string, string, Buffer, RegExp])[] = [
  ['bare', dockerList, bytesOf({ manifests: [entryOf(docker, linux)] }), /"mediaType" is missing \(E-TYPE\)/],
  [
    'nulls',
    ociIndex,
    bytesOf({ ...nulls, manifests: [entryOf(oci, linux, { urls: null, annotations: null })] }),
    /is null[^]*E-SCHEMA at \/annotations[^]*E-SCHEMA at \/manifests\/0\/urls/,
  ],
  [
    'platform',
    ociIndex,
    bytesOf({ mediaType: ociIndex, manifests: [entryOf(oci, { ...linux, 'os.features': null as never })] }),
    /E-SCHEMA at \/manifests\/0\/platform\/os\.features/,
  ],
  ['subject', ociIndex, bytesOf({ ...nulls, subject: null, manifests: [entryOf(oci, linux)] }), /\/subject/],
];

let proxy: RecordingProxy;
let cli: CliHarness;

beforeAll(async () => {
  cli = await CliHarness.make();
  for (const image of [docker, oci, untyped, unlayered])
    await pushImage(registry.url, 'team/odd', image === unlayered ? 'unlayered' : undefined, image);
  proxy = await RecordingProxy.start({ upstream: registry.url });
  for (const [tag, type, bytes] of documents) {
    const headers = { 'content-type': type, 'docker-content-digest': sha256(bytes) };
    proxy.on(new RegExp(`/manifests/(${tag}|${sha256(bytes)})$`), answer(200, headers, bytes));
  }
  proxy.on(new RegExp(`/manifests/(announced|${untyped.digest})$`), ({ pass, request }) => {
    request.url = `/v2/team/odd/manifests/${untyped.digest}`;
    return pass({ headers: { 'content-type': dockerManifest } });
  });
});
afterAll(() => proxy.close());

describe.each(documents)('%s', (tag, type, bytes, warning) => {
  test('is copied byte for byte with a warning', async () => {
    const repository = fresh();
    const result = await cli.run(['copy', `${proxy.host}/team/odd:${tag}`, `${registry.host}/${repository}:v1`]);
    expect([result.code, result.stdout.trim(), result.stderr]).toEqual([
      0,
      sha256(bytes),
      expect.stringMatching(warning),
    ]);
    expect(await getManifest(registry.url, repository, 'v1')).toMatchObject({ mediaType: type, bytes });
    await cli.must('copy', `${registry.host}/${repository}:v1`, `oci:${tag}:v1`);
    await cli.must('copy', `oci:${tag}:v1`, `oci-archive:${tag}.tar`);
  });

  test('is shown, drafted with a warning, and pushed', async () => {
    expect(await cli.must('show', `${proxy.host}/team/odd:${tag}`)).toContain('linux/amd64');
    const repository = fresh();
    const target = `${registry.host}/${repository}:v1`;
    const result = await cli.run(['create', target, `${proxy.host}/team/odd:${tag}`, '--push']);
    expect([result.code, result.stderr]).toEqual([0, expect.stringMatching(warning)]);
    await expectWhole(registry.url, repository, 'v1');
  });
});

describe("a manifest without a media type in a response with Docker's", () => {
  test('has the type that matches its config', async () => {
    const target = `${registry.host}/${fresh()}:v1`;
    const result = await cli.run(['create', target, `${proxy.host}/team/odd:announced`, '--push']);
    expect([result.code, result.stderr]).toEqual([
      0,
      expect.stringContaining(`was served as ${dockerManifest}, but its config is not a Docker config`),
    ]);
    const { manifests } = JSON.parse(await cli.must('inspect', `docker://${target}`, '--raw')) as {
      manifests: object[];
    };
    expect(manifests).toMatchObject([{ mediaType: ociManifest, digest: untyped.digest }]);
  });

  test('is copied as that type', async () => {
    const repository = fresh();
    const result = await cli.run(['copy', `${proxy.host}/team/odd:announced`, `${registry.host}/${repository}:v1`]);
    expect([result.code, result.stderr]).toEqual([0, expect.stringContaining(`read as ${ociManifest}`)]);
    expect(await getManifest(registry.url, repository, 'v1')).toMatchObject({ mediaType: ociManifest });
  });
});

test('an image with null layers is listed with a warning', async () => {
  const target = `${registry.host}/${fresh()}:v1`;
  const result = await cli.run(['create', target, `${proxy.host}/team/odd:unlayered`, '--push']);
  expect([result.code, result.stderr]).toEqual([0, expect.stringMatching(/E-SCHEMA at \/layers/)]);
});

test('copy does not refuse unknown members', async () => {
  const bytes = bytesOf({
    mediaType: ociIndex,
    annotations: ['no', 'map'],
    manifests: [entryOf(oci, { os: 7, architecture: [] } as never, { annotations: { a: 1 }, data: '?' })],
  });
  proxy.on(
    /\/manifests\/strange$/,
    answer(200, { 'content-type': ociIndex, 'docker-content-digest': sha256(bytes) }, bytes),
  );
  const repository = fresh();
  await cli.must('copy', `${proxy.host}/team/odd:strange`, `${registry.host}/${repository}:v1`);
  expect(await getManifest(registry.url, repository, 'v1')).toMatchObject({ bytes });
});
