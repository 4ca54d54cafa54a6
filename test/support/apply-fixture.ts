import { afterAll, beforeAll } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from './buildx.ts';
import { getManifest, makeImage, pushImage, type Served } from './images.ts';
import type { CliHarness } from './cli-harness.ts';
import { type CliResult } from './cli-harness.ts';

export interface Report {
  readonly counts: Record<string, number>;
  readonly writes: number;
  readonly lists: readonly {
    readonly ref?: string;
    readonly status: string;
    readonly file: string;
    readonly line: number;
    readonly digest?: string;
    readonly targets: readonly { readonly ref: string; readonly status: string }[];
    readonly missing: readonly string[];
    readonly warnings: readonly string[];
    readonly errors: readonly { readonly code: string; readonly message: string }[];
  }[];
}

export const platforms = [
  { architecture: 'amd64', os: 'linux' },
  { architecture: 'arm64', os: 'linux', variant: 'v8' },
  { architecture: 'arm', os: 'linux', variant: 'v7' },
  { architecture: 's390x', os: 'linux' },
];

export async function pushImages(url: string, repository: string, kind: 'docker' | 'oci' = 'docker'): Promise<void> {
  for (const platform of platforms) {
    const { architecture, variant = '' } = platform;
    await pushImage(
      url,
      repository,
      `1.0-${architecture}${variant}`,
      makeImage({ salt: architecture, kind, platform }),
    );
  }
}

export interface Counted extends RunningRegistry {
  readonly requests: string[];
}

export let registry: Counted;
export let at: (name: string) => string;

/** Starts a registry for the tests of the file, with Docker images in team/app, OCI images in oci/app, and a build. */
export function serveApplyImages(): void {
  beforeAll(async () => {
    const requests: string[] = [];
    const running = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
    registry = { ...running, requests };
    at = (name) => `${registry.host}/${name}`;
    await pushImages(registry.url, 'team/app');
    await pushImages(registry.url, 'oci/app', 'oci');
    await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
  });
  afterAll(() => registry.close());
}

/** Applies a spec from stdin. HOST is replaced by the host of the registry. */
export async function applyText(
  cli: CliHarness,
  text: string | Uint8Array,
  ...args: readonly string[]
): Promise<CliResult> {
  const stdin = typeof text === 'string' ? text.replaceAll('HOST', registry.host) : text;
  return cli.run(['apply', '-f', '-', ...args], { stdin });
}

export async function report(
  cli: CliHarness,
  text: string,
  ...args: readonly string[]
): Promise<Report & { code: number }> {
  const result = await applyText(cli, text, '--json', ...args);
  return { ...(JSON.parse(result.stdout) as Report), code: result.code };
}

export async function served(repository: string, name: string): Promise<Served & { readonly document: Index }> {
  const found = await getManifest(registry.url, repository, name);
  if (found === undefined) throw new Error(`${repository}:${name} is not there`);
  return { ...found, document: JSON.parse(found.bytes.toString()) as Index };
}

export interface Index {
  readonly annotations?: object;
  readonly artifactType?: string;
  readonly subject?: object;
  readonly manifests: readonly { readonly digest: string; readonly platform?: object; readonly annotations?: object }[];
}
