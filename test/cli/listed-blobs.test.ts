import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import {
  entryOf,
  getManifest,
  makeImage,
  makeIndex,
  pushBlob,
  pushImage,
  putManifest,
  sha256,
} from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Indexes that list blobs, such as BuildKit's cache and SBOM files. */
serveCopyImages();

const blobs = ['layer', 'cache config', 'sbom'].map((text) => Buffer.from(`the bytes of a ${text}`));
const describeBlob = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
const layer = describeBlob('application/vnd.oci.image.layer.v1.tar+gzip', blobs[0]!);
const config = describeBlob('application/vnd.buildkit.cacheconfig.v0', blobs[1]!);
const sbom = describeBlob('application/vnd.cyclonedx+json', blobs[2]!);
const image = makeImage({ kind: 'oci', salt: 'beside blobs', platform: { os: 'linux', architecture: 'amd64' } });
const entry = entryOf(image, { os: 'linux', architecture: 'amd64' });
const cache = makeIndex([{ ...layer, annotations: { 'buildkit/createdat': '2026-01-01T00:00:00Z' } }, config]);
const mixed = makeIndex([entry, sbom]);
const lists = { cache, mixed };

let cli: CliHarness;
beforeEach(async () => {
  cli = await CliHarness.make();
});

async function expectBlobs(url: string, repository: string, list: { readonly bytes: Buffer }): Promise<void> {
  for (const blob of blobs.filter((one) => list.bytes.includes(sha256(one)))) {
    const response = await fetch(`${url}/v2/${repository}/blobs/${sha256(blob)}`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(blob);
  }
}

describeOnRegistries('an index that lists blobs', (start) => {
  let source: Registry;
  beforeAll(async () => {
    source = await start();
    for (const blob of blobs) await pushBlob(source.url, 'team/app', blob);
    await pushImage(source.url, 'team/app', undefined, image);
    for (const [name, { mediaType, bytes }] of Object.entries(lists))
      await putManifest(source.url, 'team/app', name, mediaType, bytes);
  });
  afterAll(() => source.close());

  test.each(Object.entries(lists))('is copied between registries, layouts and archives: %s', async (name, list) => {
    const from = `${source.host}/team/app:${name}`;
    const way = [from, `${registry.host}/${fresh()}:v1`, 'oci:layout:v1', 'oci-archive:a.tar:v1', 'oci:other:v1'];
    const [last, within] = [fresh(), fresh()];
    for (const [at, place] of way.slice(1).entries()) {
      expect(await cli.must('copy', way[at]!, place)).toBe(list.digest);
      await cli.must('validate', '--deep', place);
    }
    await cli.must('copy', 'oci:other:v1', `${source.host}/${last}:v1`);
    await cli.must('copy', from, `${source.host}/${within}:v1`);
    for (const repository of [last, within]) await expectBlobs(source.url, repository, list);
  });

  test.each(Object.entries(lists))('is drafted and pushed: %s', async (name, list) => {
    const [repository, another] = [fresh(), fresh()];
    const target = `${registry.host}/${repository}:v1`;
    await cli.must('create', target, `${source.host}/team/app:${name}`);
    const plan = await cli.run(['push', target, '--dry-run']);
    expect([plan.code, plan.stdout.trim()]).toEqual([0, list.digest]);
    expect(await cli.must('push', target)).toBe(list.digest);
    await cli.must('push', target, '--to', 'oci:pushed:v1');
    await cli.must('validate', '--deep', 'oci:pushed:v1');
    await cli.must('validate', '--deep', target);
    await cli.must('create', `${source.host}/${another}:v1`, 'oci:pushed:v1', '--push');
    await expectBlobs(registry.url, repository, list);
    await expectBlobs(source.url, another, list);
  });
});

test('validate --deep reports a missing blob', async () => {
  const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  for (const blob of blobs) await pushBlob(registry.url, 'team/lost', blob);
  await putManifest(registry.url, 'team/lost', 'v1', cache.mediaType, cache.bytes);
  proxy.on(new RegExp(config.digest), answer(404));
  const { code, stdout } = await cli.run(['validate', '--deep', `${proxy.host}/team/lost:v1`]);
  expect([code, stdout]).toEqual([3, expect.stringMatching(/E-ABSENT \/manifests\/1/)]);
  expect(await cli.run(['copy', `${proxy.host}/team/lost:v1`, `${registry.host}/${fresh()}:v1`])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining(config.digest),
  });
});

test('copies an entry of an unknown type as a manifest if the registry has it as one', async () => {
  const bytes = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.example.manifest+json"}');
  const unknown = describeBlob('application/vnd.example.manifest+json', bytes);
  const list = makeIndex([entry, unknown]);
  const stored = new Map<string, Buffer>();
  const [source, target] = [
    cleanup(await RecordingProxy.start({ upstream: registry.url })),
    cleanup(await RecordingProxy.start({ upstream: registry.url })),
  ];
  await pushImage(registry.url, 'team/unknown', undefined, image);
  const serve = { 'content-type': unknown.mediaType, 'docker-content-digest': unknown.digest };
  source.on(/^GET .*\/manifests\/v1$/, answer(200, { 'content-type': list.mediaType }, list.bytes));
  source.on(/^HEAD .*\/manifests\/v1$/, answer(404));
  source.on(new RegExp(`/manifests/${unknown.digest}$`), answer(200, serve, bytes));
  target.on(/^PUT .*\/manifests\//, ({ request, response, seen }) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      stored.set(seen.path.split('/').at(-1)!, body);
      response.writeHead(201, { 'docker-content-digest': sha256(body) }).end();
    });
    request.resume();
  });
  const repository = fresh();
  await cli.must('copy', `${source.host}/team/unknown:v1`, `${target.host}/${repository}:v1`);
  expect(stored.get(unknown.digest)).toEqual(bytes);
  expect(stored.get('v1')).toEqual(list.bytes);
  stored.clear();
  await cli.must('create', `${target.host}/${fresh()}:v2`, `${source.host}/team/unknown:v1`, '--push');
  expect([...stored.keys()]).toEqual(expect.arrayContaining([unknown.digest, 'v2']));
  expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  const checked = await cli.run(['validate', '--deep', `${source.host}/team/unknown:v1`]);
  expect([checked.code, checked.stdout]).toEqual([0, '']);
});
