import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { startRegistry, type RunningRegistry, type ServedRequest } from '../../src/server/start-registry.ts';
import { getManifest, makeImage, pushImage, type Image } from './images.ts';
import { CliHarness } from './cli-harness.ts';

/** A registry with two images in two repositories, its requests, and a CliHarness and a list name for each test. */
export let registry: RunningRegistry;
export let at: (name: string) => string;
export const requests: ServedRequest[] = [];
export const amd64 = makeImage({ salt: 'a' });
export const arm64 = makeImage({ salt: 'b', platform: { architecture: 'arm64', os: 'linux' } });
export let cli: CliHarness;
export let list: string;
/** The number of the test in its file, for unique names. */
export let count = 0;

/** Starts the registry for the tests of the file. */
export function servePushImages(): void {
  beforeAll(async () => {
    registry = await startRegistry({ onRequest: (request) => requests.push(request) });
    at = (name) => `${registry.host}/${name}`;
    for (const repository of ['team/app', 'team/elsewhere']) {
      await pushImage(registry.url, repository, 'amd64', amd64);
      await pushImage(registry.url, repository, 'arm64', arm64);
    }
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    list = at(`team/app:list${(count += 1)}`);
    requests.length = 0;
  });
}

/** The requests since the last call, in short form. */
export function sent(): string[] {
  return requests
    .splice(0)
    .map(({ method, path }) => `${method} ${path.replace(/\/v2\/|sha256:[0-9a-f]+/g, '').replace(/\?.*$/, '')}`);
}

/** The tag of the test's list. */
export const tag = () => list.slice(list.lastIndexOf(':') + 1);

/** The digest of an image's only layer. */
export function layerDigest(image: Image): string {
  return (JSON.parse(image.bytes.toString()) as { layers: { digest: string }[] }).layers[0]?.digest ?? '';
}

/** The manifest of the tag. */
export async function served(): ReturnType<typeof getManifest> {
  return getManifest(registry.url, 'team/app', tag());
}
