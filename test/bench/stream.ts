import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import type { Registry } from '../support/docker-registry.ts';
import { pushBlob, putManifest, sha256 } from '../support/images.ts';
import { runAll } from './command.ts';
import {
  compare,
  cpu,
  cpuOf,
  peak,
  peakOf,
  printTable,
  ratio,
  wall,
  wallOf,
  type Column,
  type Compared,
  type Sample,
} from './compare.ts';
import { copies, type Job } from './jobs.ts';
import { startTarget } from './large-layer.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { missingPrograms, startTlsRegistry, tlsSetup, type TlsSetup } from './tls-registry.ts';
import { crane, environmentIn, isInstalled, mlistOf, oras, skopeo, trustOf, type Script } from './tools.ts';

const ROUNDS = 7;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

interface Layers {
  readonly count: number;
  readonly mib: number;
}

const small: Layers = { count: 8, mib: 50 };
const large: Layers = { count: 2, mib: 400 };
const many: Layers = { count: 100, mib: 4 };
const smallest: Layers = { count: 250, mib: 1.5 };

/** Time, CPU and memory of copying large layers from one registry to another, first over TLS and then over plain http. */
export async function benchStream(context: BenchContext, only: readonly string[]): Promise<void> {
  const isWanted = (part: string) => only.length === 0 || only.includes(part);
  if (isWanted('tls')) await overTls(context);
  if (isWanted('http')) await overHttp(context);
}

async function overTls(context: BenchContext): Promise<void> {
  const missing = missingPrograms();
  if (missing.length > 0) return print(`   TLS skipped: not found: ${missing.join(', ')}`);
  const setup = await tlsSetup(context);
  const start = () => startTlsRegistry(setup, context);
  const tools = tlsCopies(context, setup);
  for (const layers of [small, large, many, smallest])
    await copyLayers(layers, { title: 'over TLS, docker-registry behind nginx', start, tools, context, setup });
}

async function overHttp(context: BenchContext): Promise<void> {
  const tools = { ...copies(mlistOf(context)), [DIGEST]: digestOf(mlistOf(context)) };
  await copyLayers(large, { title: 'over plain http', start: startTarget, tools, context });
}

/** The same start and requests as a copy, without its layers. */
const DIGEST = 'mlist digest';

function digestOf(mlist: Script): Job['tools'][string] {
  return ({ sources: [source = ''] }) => ({ measured: [mlist('digest', source)] });
}

/** oras and skopeo use plain http for registries on this machine by default; regctl does not. */
export function tlsCopies(context: BenchContext, { caFile }: TlsSetup): Job['tools'] {
  const mlist = mlistOf(context, '--ca-file', caFile);
  return {
    mlist: ({ sources: [source = ''], target }) => ({ measured: [mlist('copy', source, target)] }),
    crane: ({ sources: [source = ''], target }) => ({ measured: [crane('copy', source, target)] }),
    regctl: ({ sources: [source = ''], target }) => ({
      measured: [{ program: 'regctl', args: ['image', 'copy', source, target] }],
    }),
    oras: ({ sources: [source = ''], target }) => ({
      measured: [oras('copy', '--from-ca-file', caFile, '--to-ca-file', caFile, source, target)],
    }),
    skopeo: ({ sources: [source = ''], target }) => ({
      measured: [skopeo('--insecure-policy', 'copy', '--all', `docker://${source}`, `docker://${target}`)],
    }),
    [DIGEST]: digestOf(mlist),
  };
}

interface Copying {
  readonly title: string;
  /** Each copy has an empty target registry, so that no tool finds content that it has copied before. */
  readonly start: () => Promise<Registry>;
  readonly tools: Job['tools'];
  readonly context: BenchContext;
  readonly setup?: TlsSetup;
}

async function copyLayers(layers: Layers, { title, start, tools, context, setup }: Copying): Promise<void> {
  const { folder, rounds = ROUNDS } = context;
  print(`\n## ${layers.count} layers of ${layers.mib} MiB to another registry, ${title}; rounds: ${rounds}\n`);
  const names = Object.keys(tools).filter((name) => name.startsWith('mlist') || isInstalled(name));
  const from = await start();
  await pushLayers(from.url, layers);
  const result = await compare(names, rounds, async (name, round) => {
    const own = `${setup === undefined ? 'http' : 'tls'}-${layers.count}-${name.replace(' ', '-')}-${round}`;
    const to = await start();
    const home = join(folder, 'homes', own);
    const env = { ...environmentIn(home), ...(setup === undefined ? {} : trustOf(name, setup)) };
    const [sources, target] = [[`${from.host}/large:v1`], `${to.host}/copied/${own}:v1`];
    const { measured } = tools[name]!({ host: to.host, sources, target, name: own, folder: home });
    try {
      return await runAll(measured, env);
    } finally {
      await to.close();
    }
  });
  await from.close();
  const bytes = layers.count * layers.mib * MIB;
  const perGib = (samples: readonly Sample[]) => (cpuOf(samples) / 1000) * (GIB / bytes);
  const ofCopies =
    (text: (samples: readonly Sample[]) => string): Column[1] =>
    (samples, name) =>
      name === DIGEST ? '' : text(samples);
  printTable('tool', result, [
    wall,
    cpu,
    peak,
    ratio('time', 'crane', result),
    ratio('CPU', 'crane', result, cpuOf),
    ['CPU per GiB', ofCopies((samples) => `${perGib(samples).toFixed(2)} s`)],
    ['one core moves', ofCopies((samples) => `${(60 / perGib(samples)).toFixed(1)} GiB/min`)],
    ['cores used', ofCopies((samples) => (cpuOf(samples) / wallOf(samples)).toFixed(2))],
  ]);
  const missing = Object.keys(tools).filter((name) => !names.includes(name));
  if (missing.length > 0) print(`\nnot found: ${missing.join(', ')}`);
  printGrowth(result);
}

function printGrowth({ samples }: Compared): void {
  const [copy, digest] = [samples.get('mlist') ?? [], samples.get(DIGEST) ?? []];
  print(
    `\nmemory of mlist above \`${DIGEST}\`: ${(peakOf(copy) - peakOf(digest)).toFixed(0)} MiB   goal: at most 40 MiB`,
  );
}

async function pushLayers(url: string, { count, mib }: Layers): Promise<void> {
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const layers = [];
  for (let at = 0; at < count; at += 1) {
    const bytes = randomFillSync(Buffer.allocUnsafe(mib * MIB));
    layers.push({ mediaType, size: bytes.length, digest: sha256(bytes) });
    await pushBlob(url, 'large', bytes);
  }
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const bytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
  await pushBlob(url, 'large', bytes);
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', size: bytes.length, digest: sha256(bytes) };
  const manifest = { schemaVersion: 2, mediaType: type, config, layers };
  await putManifest(url, 'large', 'v1', type, Buffer.from(JSON.stringify(manifest)));
}
