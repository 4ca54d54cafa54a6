import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { tarOf } from '../store/archive/tar-bytes.ts';
import { makeImage, sha256 } from './images.ts';
import { putInArchive, putInLayout } from './layouts.ts';
import { CliHarness } from './cli-harness.ts';

/** Images in layouts and archives, as local builds create them. */

export const amd64 = makeImage({ salt: 'amd64', kind: 'oci' });
export const arm64 = makeImage({
  salt: 'arm64',
  kind: 'oci',
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
});

export let registry: RunningRegistry;
/** The requests to the registry. */
export const requests: string[] = [];

/** Starts the registry for the tests of the file. */
export function serveLocalBuilds(): void {
  beforeAll(async () => {
    registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  });
  afterAll(() => registry.close());
}

/** Writes an archive like docker 1.10 to 24, with uncompressed layers. */
export async function putDockerArchive(
  path: string,
  tag: string,
): Promise<{ readonly config: Buffer; readonly layer: Buffer }> {
  const layer = tarOf({ name: 'file', content: 'riscv64' });
  const config = Buffer.from(
    JSON.stringify({ architecture: 'riscv64', os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256(layer)] } }),
  );
  const list = [{ Config: 'config.json', RepoTags: [tag], Layers: ['aa/layer.tar'] }];
  const members = [
    { name: 'aa/layer.tar', content: layer },
    { name: 'config.json', content: config },
    { name: 'manifest.json', content: JSON.stringify(list) },
  ];
  await writeFile(path, tarOf(...members));
  return { config, layer };
}

/** A CliHarness with one image for each type of location in `out/`. */
export async function builds(): Promise<CliHarness> {
  const cli = await CliHarness.make();
  const out = join(cli.folder, 'out');
  await putInLayout(join(out, 'amd64'), amd64, 'v1');
  await putInArchive(join(out, 'arm64.tar'), arm64, 'v1');
  await putDockerArchive(join(out, 'riscv64.tar'), 'team/app:riscv64');
  return cli;
}

export const sources = [
  'oci:out/amd64',
  'oci-archive:out/arm64.tar:v1',
  'docker-archive:out/riscv64.tar:team/app:riscv64',
];
