import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, sha256 } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';
import { casesOf } from '../support/long.ts';

/** Registries that refuse HEAD, or all reads: requests that are only optimisations never fail a command. */
const amd64 = makeImage({ kind: 'oci', platform: { architecture: 'amd64', os: 'linux' }, noise: 1024 * 1024 });
const arm64 = makeImage({ kind: 'oci', platform: { architecture: 'arm64', os: 'linux' } });
const list = makeIndex([
  entryOf(amd64, { architecture: 'amd64', os: 'linux' }),
  entryOf(arm64, { architecture: 'arm64', os: 'linux' }),
]);

let source: RunningRegistry;
let target: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;

beforeAll(async () => {
  source = await startRegistry();
  await pushImage(source.url, 'team/app', 'amd64', amd64);
  await pushImage(source.url, 'team/app', 'arm64', arm64);
  await putManifest(source.url, 'team/app', '1', list.mediaType, list.bytes);
});
afterAll(() => source.close());
beforeEach(async () => {
  target = cleanup(await startRegistry());
  proxy = cleanup(await RecordingProxy.start({ upstream: target.url }));
  cli = await CliHarness.make();
});

const from = (tag: string) => `${source.host}/team/app:${tag}`;
const to = (tag: string) => `${proxy.host}/team/app:${tag}`;
const images = () => [from('amd64'), from('arm64')];
const run = (...args: readonly string[]): Promise<CliResult> => cli.run([...args, '--retries', '1']);
const pushed = async () => (await getManifest(target.url, 'team/app', '1'))?.digest;

const refusals: readonly (readonly [string, RegExp, Rule])[] = [
  ...[400, 405, 503].map((status) => [`HEAD with ${status}`, /^HEAD/, answer(status)] as const),
  ['HEAD of blobs with 403', /^HEAD .*blobs/, answer(403)],
];
const denial = JSON.stringify({ errors: [{ code: 'DENIED', message: 'this account may only push' }] });
const unreadable: readonly (readonly [string, RegExp, Rule])[] = [
  ['all reads with 403', /^(?:HEAD|GET) .*(?:manifests|blobs)\//, answer(403, {}, denial)],
  ['all reads with 401', /^(?:HEAD|GET) .*(?:manifests|blobs)\//, answer(401)],
  ['all reads of blobs with 500', /^(?:HEAD|GET) .*blobs\//, answer(500)],
];

describe.each(casesOf([...refusals, ...unreadable], 2))('a target that refuses %s', (_name, pattern, rule) => {
  beforeEach(() => proxy.on(pattern, rule));

  test('gets a copy', async () => {
    expect(await run('copy', from('1'), to('1'))).toMatchObject({ code: 0 });
    expect(await pushed()).toBe(list.digest);
  });

  test('gets a list, after a dry run, and again with --force', async () => {
    expect(await run('create', to('1'), ...images())).toMatchObject({ code: 0 });
    expect(await run('push', '--dry-run')).toMatchObject({ code: 0 });
    expect(await pushed()).toBeUndefined();
    expect(await run('push')).toMatchObject({ code: 0 });
    expect(await pushed()).toBe(list.digest);
    expect(await run('push', '--force')).toMatchObject({ code: 0 });
  });

  test('gets the list of a spec', async () => {
    const spec = join(cli.folder, 'spec.json');
    await writeFile(spec, JSON.stringify({ list: to('1'), manifests: images() }));
    expect(await run('apply', '-f', spec)).toMatchObject({ code: 0 });
    expect(await pushed()).toBe(list.digest);
  });
});

describe.each(casesOf(refusals, 2, 1))('a registry that refuses %s', (_name, pattern, rule) => {
  beforeEach(async () => {
    await cli.must('copy', from('1'), to('1'));
    proxy.on(pattern, rule);
  });

  test('is read by GET', async () => {
    for (const command of ['digest', 'exists', 'resolve'])
      expect(await run(command, to('1'))).toMatchObject({ code: 0 });
    expect(await run('exists', to('2'))).toMatchObject({ code: 4 });
    expect(await run('copy', to('1'), to('2'))).toMatchObject({ code: 0 });
  });

  test('is checked by GET', async () => {
    expect(await run('validate', '--deep', to('1'))).toMatchObject({ code: 0 });
    const [, , layer] = amd64.blobs.map(sha256);
    proxy.on(new RegExp(`^GET .*blobs/${layer ?? ''}`), answer(404));
    if (!pattern.test(`HEAD /v2/team/app/blobs/${layer ?? ''}`)) return;
    expect(await run('validate', '--deep', to('1'))).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(new RegExp(`E-ABSENT.*${layer ?? ''}`)) as unknown,
    });
  });

  test('gets the list of a join', async () => {
    const images = [to('amd64'), to('arm64')];
    for (const tag of ['amd64', 'arm64']) await cli.must('copy', from(tag), to(tag));
    const joined = await run('join', to('joined'), ...images, '--group', '1', '--expect', 'linux/amd64,linux/arm64');
    expect(joined).toMatchObject({ code: 0 });
    expect((await getManifest(target.url, 'team/app', 'joined'))?.digest).toBe(joined.stdout.trim());
  });

  test('deletes a tag, which a read confirms', async () => {
    proxy.on(/^DELETE/, ({ pass }) => pass({ status: 200 }));
    expect(await run('delete', to('1'))).toMatchObject({ code: 0 });
    expect(await pushed()).toBeUndefined();
  });

  test('confirms an upload that it did not answer with 201', async () => {
    proxy.on(/^PUT .*uploads/, ({ pass }) => pass({ status: 200 }));
    expect(await run('copy', from('1'), `${proxy.host}/team/other:1`)).toMatchObject({ code: 0 });
  });
});

test.each([
  ['86400', '86400 s'],
  ['99999999999999999999', 'more than a day'],
  ['9'.repeat(310), 'more than a day'],
])('Retry-After: %s is reported as a wait of %s', async (seconds, shown) => {
  const busy = answer(503, { 'retry-after': seconds });
  proxy.on(/ .*manifests/, busy);
  expect((await run('digest', `${proxy.host}/team/app:1`)).stderr).toContain(
    ` and asks clients to wait ${shown} (HTTP 503`,
  );
  proxy.on(/ \/v2\//, answer(401, { 'www-authenticate': `Bearer realm="${proxy.url}/token",service="x"` }));
  proxy.on(/ \/token/, busy);
  expect((await run('digest', `${proxy.host}/team/app:1`)).stderr).toContain(
    ` and asks clients to wait ${shown} (HTTP 503`,
  );
});

test('a registry that demands a long wait gets no further request, and nothing is pushed', async () => {
  proxy.on(/^HEAD .*manifests\/sha256/, answer(503, { 'retry-after': '3600' }));
  const result = await run('copy', from('1'), to('1'));
  expect(result).toMatchObject({
    code: 7,
    stdout: '',
    stderr: expect.stringMatching(/asks clients to wait 3600 s/) as unknown,
  });
  expect(proxy.requestsMatching(/^(?:POST|PUT)/)).toEqual([]);
});
