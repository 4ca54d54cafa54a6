import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from './recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from './images.ts';
import { cleanup } from './cleanup.ts';
import { CliHarness } from './cli-harness.ts';

/** A list in one registry, and a target registry behind a RecordingProxy, with a repository for each test. */
export let source: RunningRegistry;
export let registry: RunningRegistry;
export let proxy: RecordingProxy;
export let cli: CliHarness;
export let repository: string;
let repositories = 0;

/** Switches to a new repository of the target. */
export function nextRepository(): string {
  repository = `team/target${(repositories += 1)}`;
  return repository;
}

/** Pushes the list to `team/app:1.0` of the source, and its images to `team/app:image0` and so on. */
export function serveTarget(salt: string, platforms: readonly Platform[]) {
  const images: readonly Image[] = platforms.map((platform) => makeImage({ salt, kind: 'oci', platform }));
  const list = makeIndex(images.map((image, at) => entryOf(image, platforms[at])));
  beforeAll(async () => {
    [source, registry] = [await startRegistry(), await startRegistry()];
    for (const [at, image] of images.entries()) await pushImage(source.url, 'team/app', `image${at}`, image);
    await putManifest(source.url, 'team/app', '1.0', list.mediaType, list.bytes);
  });
  afterAll(async () => {
    await source.close();
    await registry.close();
  });
  beforeEach(async () => {
    proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    cli = await CliHarness.make();
    nextRepository();
  });
  return { images, list };
}

export const from = (tag: string): string => `${source.host}/team/app:${tag}`;
export const to = (tag: string): string => `${proxy.host}/${repository}:${tag}`;
export const tagOf = async (tag: string): Promise<string | undefined> =>
  (await getManifest(registry.url, repository, tag))?.digest;
