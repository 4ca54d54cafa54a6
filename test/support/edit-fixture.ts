import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from './buildx.ts';
import { makeImage, pushImage } from './images.ts';
import { CliHarness, type CliResult } from './cli-harness.ts';

/** A registry with images for several platforms and one without a platform, a build, and a CliHarness for each test. */
export let registry: RunningRegistry;
export let cli: CliHarness;
export let list: string;
export const platforms: Readonly<Record<string, object>> = {
  amd64: { architecture: 'amd64', os: 'linux' },
  arm64: { architecture: 'arm64', os: 'linux' },
  armv7: { architecture: 'arm', os: 'linux', variant: 'v7' },
  armv6: { architecture: 'arm', os: 'linux', variant: 'v6' },
  windows: { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.1' },
  none: {},
};
export const image = (name: string) => `${registry.host}/team/app:${name}`;

/** Starts the registry for the tests of the file. */
export function serveImages(): void {
  beforeAll(async () => {
    registry = await startRegistry();
    for (const [tag, platform] of Object.entries(platforms)) {
      await pushImage(
        registry.url,
        'team/app',
        tag,
        makeImage({ salt: tag, platform: { architecture: '', os: '', ...platform } }),
      );
    }
    await pushBuild(registry.url, 'team/app', 'built', [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ]);
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    list = `${registry.host}/team/app:list`;
  });
}

/** Creates the draft of the test from these images. */
export async function drafted(...names: readonly string[]): Promise<void> {
  await cli.must('create', list, ...names.map(image));
}

export interface Listed {
  readonly platform?: Record<string, unknown>;
  readonly annotations?: Record<string, string>;
  readonly artifactType?: string;
}
export interface Document {
  readonly mediaType: string;
  readonly manifests: readonly Listed[];
  readonly annotations?: Record<string, string>;
  readonly subject?: { readonly digest: string };
}

/** The entries of the current draft, as they would be pushed. */
export async function entries(): Promise<readonly Listed[]> {
  return (JSON.parse(await cli.must('inspect')) as Document).manifests;
}

/** The platform and annotations of an entry. Their order does not depend on the format of the list. */
export function summaryOf(entry: Listed | undefined): string {
  return JSON.stringify([entry?.platform, entry?.annotations]);
}

export async function annotate(...args: readonly string[]): Promise<CliResult> {
  return cli.run(['annotate', ...args]);
}
