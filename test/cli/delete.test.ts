import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Change } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Tags and manifests that are taken out of a registry. */
const image = makeImage({ salt: 'to go' });
const other = makeImage({ salt: 'to stay' });

let registry: RunningRegistry;
let front: RecordingProxy;
let world: CliHarness;
let ref: string;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  world = await CliHarness.make();
  front = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  ref = `${front.host}/team/app`;
  await pushImage(registry.url, 'team/app', 'v1', image);
  await pushImage(registry.url, 'team/app', 'v2', image);
});

const tags = async (): Promise<string> => world.must('tags', `${registry.host}/team/app`);

test('a tag alone, or a manifest with all its tags', async () => {
  await pushImage(registry.url, 'team/app', 'v3', other);
  expect((await world.run(['delete', `${ref}:v1`])).stderr).toBe(`deleted tag ${ref}:v1\n`);
  expect(await tags()).toBe('v2\nv3');
  const { stderr } = await world.run(['delete', `${ref}@${image.digest}`]);
  expect(stderr).toBe(`deleted manifest ${ref}@${image.digest}\n`);
  expect(await tags()).toBe('v3');
  await world.must('delete', `${ref}:v3`);
});

test('a tag only while it has the digest that is said beside it', async () => {
  const refused = await world.run(['delete', `${ref}:v1@${other.digest}`]);
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('was not deleted')]);
  expect(await tags()).toBe('v1\nv2');
  await world.must('delete', `${ref}:v1@${image.digest}`);
  expect(await tags()).toBe('v2');
});

test('what is not there ends with 4', async () => {
  expect((await world.run(['delete', `${ref}:none`])).code).toBe(4);
});

test.each<[string, Change]>([
  ['was lost', { loseAnswer: true }],
  ['was replaced by a proxy', { status: 502 }],
])('is done where the first answer %s', async (_, change) => {
  front.on(/^DELETE/, ({ pass }) => pass(change), 1);
  await world.must('delete', `${ref}:v1`);
  expect(front.asked(/^DELETE/)).toHaveLength(2);
  expect(await tags()).toBe('v2');
});

test('is not done by a registry that was too busy, where nothing is there', async () => {
  front.on(/^DELETE/, answer(429, { 'retry-after': '0' }), 1);
  expect((await world.run(['delete', `${ref}:none`])).code).toBe(4);
});

test.each([
  [200, 200],
  [200, 405],
  [204, 200],
])('is not believed for a %d alone, where HEAD answers %d', async (deleted, head) => {
  front.on(/^DELETE/, answer(deleted));
  if (head === 405) front.on(/^HEAD/, answer(405));
  const { code, stderr } = await world.run(['delete', `${ref}:v1`]);
  expect([code, stderr]).toEqual([7, expect.stringContaining(`answered HTTP ${deleted}, not 202, and still has it`)]);
  expect((await getManifest(registry.url, 'team/app', 'v1'))?.digest).toBe(image.digest);
});
