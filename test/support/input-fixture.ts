import { afterAll, beforeAll } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from './images.ts';

/** A registry with an image, `app:amd64`, and a list of it, `app:v1`, for tests of unusual and invalid arguments. */
export let registry: RunningRegistry;
export const at = (name: string): string => `${registry.host}/app:${name}`;

/** Starts the registry for the tests of the file. */
export function serveInputImages(): void {
  const platform = { os: 'linux', architecture: 'amd64' };
  const image = makeImage({ salt: 'input', kind: 'oci', platform });
  const list = makeIndex([entryOf(image, platform)]);
  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(registry.url, 'app', 'amd64', image);
    await putManifest(registry.url, 'app', 'v1', list.mediaType, list.bytes);
  });
  afterAll(() => registry.close());
}
