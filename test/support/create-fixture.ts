import { afterAll, beforeAll } from '@jest/globals';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild, type Built } from './buildx.ts';
import { makeImage, pushImage, type Image } from './images.ts';

/** The sources for tests of `create`: four images, and a build for two platforms with attestations. */
export let registry: RunningRegistry;
export let at: (name: string) => string;
export const amd64: Platform = { architecture: 'amd64', os: 'linux' };
export const arm64: Platform = { architecture: 'arm64', os: 'linux' };
export const arm: Platform = { architecture: 'arm', os: 'linux', variant: 'v7' };
export let images: Readonly<Record<'amd64' | 'arm64' | 'arm' | 'other', Image>>;
export let build: Built;

/** Starts the registry for the tests of the file. */
export function serveCreateImages(): void {
  beforeAll(async () => {
    registry = await startRegistry();
    at = (name) => `${registry.host}/${name}`;
    images = {
      amd64: makeImage({ salt: 'a', platform: amd64 }),
      arm64: makeImage({ salt: 'b', platform: arm64 }),
      arm: makeImage({ salt: 'c', platform: arm }),
      other: makeImage({ salt: 'd', platform: amd64 }),
    };
    for (const [tag, image] of Object.entries(images)) await pushImage(registry.url, 'team/app', tag, image);
    build = await pushBuild(registry.url, 'team/built', 'latest', [amd64, arm64]);
  });
  afterAll(() => registry.close());
}

export interface Shown {
  readonly source: string;
  readonly digest: string;
  readonly platform?: Platform;
  readonly attests?: string;
}

/** The members of the `create --json` document that the tests check. */
export interface Drafted {
  readonly changed: boolean;
  readonly entries: readonly Shown[];
  readonly changes: readonly { readonly type: string; readonly old?: string; readonly digest: string }[];
}
