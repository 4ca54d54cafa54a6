import { createHash, randomFillSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { Authority, hasOpenssl } from '../support/certificates.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { pushBlob, putManifest } from '../support/images.ts';
import { run, type Command } from './command.ts';
import { copies, type Job, type Mlist } from './jobs.ts';
import type { BenchContext } from './main.ts';
import { median, print, turned } from './measure.ts';
import { Peak } from './peak.ts';
import { DelayProxy } from './proxy.ts';
import { crane, environmentIn, isInstalled, oras } from './tools.ts';

const ROUNDS = 7;
const MIB = 1024 * 1024;
const LAYERS = 2;

/** Time and memory of copying two large layers from one registry to another, compared with the fastest tool. */
export async function benchStream(place: BenchContext): Promise<void> {
  const isReal = programPath('docker-registry') !== undefined;
  const start: Start = () => (isReal ? startDockerRegistry() : startRegistry());
  print(`registries: ${isReal ? 'docker-registry' : 'the embedded one'}; rounds: ${ROUNDS}`);
  const from = await start();
  try {
    for (const mib of [40, 400]) await pushLarge(from.url, `large/m${mib}`, mib);
    await direct(from, start, place);
    await proxied(from, start, place);
    await secured(from, place);
    print('\n## peak memory of mlist   aim: at most 150 MiB, whatever the length of a layer');
    for (const mib of [40, 400]) await memory(from, start, mib, place);
  } finally {
    await from.close();
  }
}

/** Each copy has an empty target registry, so that no tool finds content that it has copied before. */
type Start = () => Promise<Registry>;

async function direct(from: Registry, start: Start, place: BenchContext): Promise<void> {
  print(
    `\n## copy ${LAYERS} layers of 400 MiB to another registry\n   aim: the fastest peer takes at least 0.95 of mlist's time`,
  );
  await compare(from.host, start, { way: 'direct', tools: copies(mlistOf(place.root)), place });
}

async function proxied(from: Registry, start: Start, place: BenchContext): Promise<void> {
  const near = await DelayProxy.start(from.url);
  const far: Start = async () => {
    const registry = await start();
    const proxy = await DelayProxy.start(registry.url);
    const close = async () => {
      await proxy.close();
      await registry.close();
    };
    return { url: proxy.url, host: proxy.host, close };
  };
  print('\n## the same through the proxy');
  await compare(near.host, far, { way: 'proxied', tools: copies(mlistOf(place.root)), place });
  await near.close();
}

/** With TLS no tool can pass bytes from socket to socket in the kernel. All registries except local ones use TLS. */
async function secured(origin: Registry, place: BenchContext): Promise<void> {
  print('\n## the same over TLS, straight');
  if (programPath('docker-registry') === undefined || !hasOpenssl()) {
    print('   left out: it takes docker-registry and openssl');
    return;
  }
  const folder = join(place.folder, 'tls');
  mkdirSync(folder);
  const authority = new Authority(folder);
  const { certFile, keyFile } = authority.sign('server');
  const caFile = authority.certificate.certFile;
  const start: Start = () => startDockerRegistry({ tls: { certificate: certFile, key: keyFile } });
  const from = await start();
  const mlist: Mlist = (...args) => mlistOf(place.root)(...args, '--ca-file', caFile);
  const source = 'large/m400:v1';
  const seed = mlist('copy', `${origin.host}/${source}`, `${from.host}/${source}`);
  await run({ ...seed, env: environmentIn(join(place.folder, 'homes', 'secured-seed')) });
  await compare(from.host, start, { way: 'secured', tools: securedCopies(mlist, caFile), place, caFile });
  await from.close();
}

/** crane takes the authority from `SSL_CERT_FILE`; regctl uses TLS by default. */
function securedCopies(mlist: Mlist, caFile: string): Job['tools'] {
  return {
    mlist: ({ sources: [source = ''], target }) => ({ measured: [mlist('copy', source, target)] }),
    crane: ({ sources: [source = ''], target }) => ({ measured: [crane('copy', source, target)] }),
    regctl: ({ sources: [source = ''], target }) => ({
      measured: [{ program: 'regctl', args: ['image', 'copy', source, target] }],
    }),
    oras: ({ sources: [source = ''], target }) => ({
      measured: [oras('copy', '--from-ca-file', caFile, '--to-ca-file', caFile, source, target)],
    }),
  };
}

interface Comparison {
  readonly way: string;
  readonly tools: Job['tools'];
  readonly place: BenchContext;
  readonly caFile?: string;
}

async function compare(from: string, start: Start, { way, tools: all, place, caFile }: Comparison): Promise<void> {
  const tools = Object.entries(all).filter(([name]) => name === 'mlist' || isInstalled(name));
  const durations = new Map<string, number[]>(tools.map(([name]) => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, tool] of turned(tools, round)) {
      const own = `${way}-${name}-${round}`;
      const to = await start();
      const target = `${to.host}/copied/${own}:v1`;
      const folder = join(place.folder, 'homes', own);
      const { measured } = tool({ host: to.host, sources: [`${from}/large/m400:v1`], target, name: own, folder });
      const env = { ...environmentIn(folder), ...(caFile === undefined ? {} : { SSL_CERT_FILE: caFile }) };
      let milliseconds = 0;
      for (const command of measured) milliseconds += await run({ ...command, env });
      await to.close();
      // The first round is a warm-up.
      if (round > 0) durations.get(name)?.push(milliseconds);
    }
  }
  const ours = median(durations.get('mlist') ?? []);
  for (const [name, times] of durations)
    print(`   ${name.padEnd(14)} ${(median(times) / ours).toFixed(2)} times mlist's time`);
}

function mlistOf(root: string): Mlist {
  return (...args) => ({ program: process.execPath, args: [join(root, 'dist', 'cli', 'mlist.js'), ...args] });
}

async function memory(from: Registry, start: Start, mib: number, { root, folder }: BenchContext): Promise<void> {
  const peak = new Peak();
  const own = `memory-${mib}`;
  const to = await start();
  const command: Command = mlistOf(root)('copy', `${from.host}/large/m${mib}:v1`, `${to.host}/copied/${own}:v1`);
  await run({ ...command, env: environmentIn(join(folder, 'homes', own)), onStart: peak.watch });
  peak.stop();
  await to.close();
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
