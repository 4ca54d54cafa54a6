import { createHash, randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import { startRegistry } from '../../src/index.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { pushBlob, putManifest } from '../support/images.ts';
import { run, type Command } from './command.ts';
import { copies, type Mlist } from './jobs.ts';
import type { Place } from './main.ts';
import { median, print } from './measure.ts';
import { Peak } from './peak.ts';
import { DelayProxy } from './proxy.ts';
import { homeAt, isThere } from './tools.ts';

const ROUNDS = 7;
const MIB = 1024 * 1024;
const LAYERS = 2;

/** Copies two large layers from one registry to another: as fast as the fastest, and in how much memory. */
export async function benchStream(place: Place): Promise<void> {
  const isReal = programPath('docker-registry') !== undefined;
  const start = () => (isReal ? startDockerRegistry() : startRegistry());
  print(`registries: ${isReal ? 'docker-registry' : 'the embedded one'}; rounds: ${ROUNDS}`);
  const [from, to] = [await start(), await start()];
  try {
    for (const mib of [40, 400]) await pushLarge(from.url, `large/m${mib}`, mib);
    await direct(from, to, place);
    await proxied(from, to, place);
    print('\n## peak memory of mlist   aim: at most 150 MiB, whatever the length of a layer');
    for (const mib of [40, 400]) await memory(from, to, mib, place);
  } finally {
    await from.close();
    await to.close();
  }
}

async function direct(from: Registry, to: Registry, place: Place): Promise<void> {
  print(
    `\n## copy ${LAYERS} layers of 400 MiB to another registry\n   aim: the fastest peer takes at least 0.95 of mlist's time`,
  );
  await compare(from.host, to.host, 'direct', place);
}

async function proxied(from: Registry, to: Registry, place: Place): Promise<void> {
  const [near, far] = [await DelayProxy.start(from.url), await DelayProxy.start(to.url)];
  print('\n## the same through the proxy');
  await compare(near.host, far.host, 'proxied', place);
  await near.close();
  await far.close();
}

/**
 * Remembers outside its home, as root, where it has copied a blob to, and mounts it from there the next time: it would
 * be measured at moving nothing.
 */
const remembers = new Set(['skopeo']);

async function compare(from: string, to: string, way: string, { root, folder }: Place): Promise<void> {
  const tools = Object.entries(copies(mlistOf(root))).filter(
    ([name]) => name === 'mlist' || (isThere(name) && !remembers.has(name)),
  );
  const taken = new Map<string, number[]>(tools.map(([name]) => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, tool] of tools) {
      const own = `${way}-${name}-${round}`;
      const target = `${to}/copied/${own}:v1`;
      const home = join(folder, 'homes', own);
      const { measured } = tool({ host: to, sources: [`${from}/large/m400:v1`], target, name: own, home });
      let milliseconds = 0;
      for (const command of measured) milliseconds += await run({ ...command, env: homeAt(home) });
      // The first round warms up.
      if (round > 0) taken.get(name)?.push(milliseconds);
    }
  }
  const ours = median(taken.get('mlist') ?? []);
  for (const [name, times] of taken)
    print(`   ${name.padEnd(14)} ${(median(times) / ours).toFixed(2)} times mlist's time`);
}

function mlistOf(root: string): Mlist {
  return (...args) => ({ program: process.execPath, args: [join(root, 'dist', 'cli', 'mlist.js'), ...args] });
}

async function memory(from: Registry, to: Registry, mib: number, { root, folder }: Place): Promise<void> {
  const peak = new Peak();
  const own = `memory-${mib}`;
  const command: Command = mlistOf(root)('copy', `${from.host}/large/m${mib}:v1`, `${to.host}/copied/${own}:v1`);
  await run({ ...command, env: homeAt(join(folder, 'homes', own)), onStart: peak.watch });
  peak.stop();
  print(`   ${LAYERS} layers of ${String(mib).padStart(3)} MiB: ${(peak.kib / 1024).toFixed(0)} MiB`);
}

async function pushLarge(url: string, repository: string, mib: number): Promise<void> {
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const layers = [];
  for (let at = 0; at < LAYERS; at += 1) {
    const bytes = randomFillSync(Buffer.allocUnsafe(mib * MIB));
    layers.push({ mediaType, size: bytes.length, digest: digestOf(bytes) });
    await pushBlob(url, repository, bytes);
  }
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const bytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
  await pushBlob(url, repository, bytes);
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    size: bytes.length,
    digest: digestOf(bytes),
  };
  const manifest = { schemaVersion: 2, mediaType: type, config, layers };
  await putManifest(url, repository, 'v1', type, Buffer.from(JSON.stringify(manifest)));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
