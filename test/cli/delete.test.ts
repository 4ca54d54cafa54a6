import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Change } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Deletion of tags and manifests in a registry. */
const image = makeImage({ salt: 'to go' });
const other = makeImage({ salt: 'to stay' });

let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
let ref: string;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  cli = await CliHarness.make();
  proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  ref = `${proxy.host}/team/app`;
  await pushImage(registry.url, 'team/app', 'v1', image);
  await pushImage(registry.url, 'team/app', 'v2', image);
});

const tags = async (): Promise<string> => cli.must('tags', `${registry.host}/team/app`);

test('deletes only a tag, or a manifest with all its tags', async () => {
  await pushImage(registry.url, 'team/app', 'v3', other);
  expect((await cli.run(['delete', `${ref}:v1`])).stderr).toBe(`deleted tag ${ref}:v1\n`);
  expect(await tags()).toBe('v2\nv3');
  const { stderr } = await cli.run(['delete', `${ref}@${image.digest}`]);
  expect(stderr).toBe(`deleted manifest ${ref}@${image.digest}\n`);
  expect(await tags()).toBe('v3');
  await cli.must('delete', `${ref}:v3`);
});

test('deletes a tag only while it has the given digest', async () => {
  const refused = await cli.run(['delete', `${ref}:v1@${other.digest}`]);
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('was not deleted')]);
  expect(await tags()).toBe('v1\nv2');
  await cli.must('delete', `${ref}:v1@${image.digest}`);
  expect(await tags()).toBe('v2');
});

test('exits with 4 if there is nothing to delete', async () => {
  expect((await cli.run(['delete', `${ref}:none`])).code).toBe(4);
});

test.each<[string, Change]>([
  ['was lost', { loseResponse: true }],
  ['was replaced by a proxy', { status: 502 }],
])('succeeds if the first answer %s', async (_, change) => {
  proxy.on(/^DELETE/, ({ pass }) => pass(change), 1);
  await cli.must('delete', `${ref}:v1`);
  expect(proxy.requestsMatching(/^DELETE/)).toHaveLength(2);
  expect(await tags()).toBe('v2');
});

test('fails if the registry is too busy, even if the tag is gone', async () => {
  proxy.on(/^DELETE/, answer(429, { 'retry-after': '0' }), 1);
  expect((await cli.run(['delete', `${ref}:none`])).code).toBe(4);
});

test.each([
  [200, 200],
  [200, 405],
  [204, 200],
])('does not trust a single %d if HEAD answers %d', async (deleted, head) => {
  proxy.on(/^DELETE/, answer(deleted));
  if (head === 405) proxy.on(/^HEAD/, answer(405));
  const { code, stderr } = await cli.run(['delete', `${ref}:v1`]);
  expect([code, stderr]).toEqual([
    7,
    expect.stringContaining(`responded with HTTP ${deleted} instead of 202, and still has it`),
  ]);
  expect((await getManifest(registry.url, 'team/app', 'v1'))?.digest).toBe(image.digest);
});
