import { join } from 'node:path';
import { makeImage, pushImage } from '../support/images.ts';
import { imagesElsewhere } from '../support/request-count-images.ts';
import { runAll } from './command.ts';
import { compare, connections, cpu, cpuOf, peak, printTable, ratio, requests, wall, type Sample } from './compare.ts';
import { bareSteps, create, createPushing, flags, type Job } from './jobs.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { tlsCopies } from './stream.ts';
import { missingPrograms, startTlsRegistry, tlsSetup, type TlsRegistry, type TlsSetup } from './tls-registry.ts';
import { bareOf, buildx, crane, environmentIn, isInstalled, mlistOf, trustOf } from './tools.ts';

const ROUNDS = 7;
const ROUND_TRIP_MS = 50;
const IMAGES = 12;
const LAYERS = 3;

/**
 * Requests, connections, time and memory of each installed tool for one list and for the copy of one image, over TLS and a
 * network with a round trip.
 */
export async function benchTls(context: BenchContext): Promise<void> {
  const missing = missingPrograms();
  if (missing.length > 0) return print(`   skipped: not found: ${missing.join(', ')}`);
  const setup = await tlsSetup(context);
  const registry = await startTlsRegistry(setup, context, ROUND_TRIP_MS);
  try {
    await benchList(registry, setup, context);
    await benchCopy(registry, setup, context);
  } finally {
    await registry.close();
  }
}

async function benchList(registry: TlsRegistry, setup: TlsSetup, context: BenchContext): Promise<void> {
  const { rounds = ROUNDS, folder } = context;
  print(`docker-registry behind nginx, TLS 1.3 and HTTP/2, ${ROUND_TRIP_MS} ms round trip; rounds: ${rounds}`);
  print(`\n## List of ${IMAGES} images with 6 blobs each, from other repositories\n`);
  const seeds = await imagesElsewhere(registry.url, IMAGES);
  const sources = seeds.map((seed) => `${registry.host}/${seed}`);
  const tools = listTools(context, setup);
  const names = Object.keys(tools).filter((name) => programsOf[name] === undefined || isInstalled(programsOf[name]));
  const result = await compare<Sample>(names, rounds, async (name, round) => {
    const own = `${name.replaceAll(/\W+/g, '-')}-${round}`;
    const home = join(folder, 'homes', `tls-${own}`);
    const target = `${registry.host}/made/${own}:v1`;
    const origin = `https://${registry.host}`;
    const { measured } = tools[name]!({ host: registry.host, origin, sources, target, name: own, folder: home });
    const env = { ...environmentIn(home), ...trustOf(name, setup) };
    await registry.traffic();
    const times = await runAll(measured, env);
    return { ...times, ...(await registry.traffic()) };
  });
  printTable('tool', result, [
    requests,
    connections,
    wall,
    cpu,
    peak,
    ratio('time', 'imagetools', result),
    ratio('time', 'bare', result),
    ratio('CPU', 'bare', result, cpuOf),
  ]);
  const absent = Object.entries(programsOf).flatMap(([name, program]) => (names.includes(name) ? [] : [program]));
  if (absent.length > 0) print(`\nnot found: ${absent.join(', ')}`);
}

async function benchCopy(from: TlsRegistry, setup: TlsSetup, context: BenchContext): Promise<void> {
  const { rounds = ROUNDS, folder } = context;
  print(`\n## Copy of a small image with ${LAYERS} layers to another registry\n`);
  await pushImage(from.url, 'small/app', 'v1', makeImage({ layers: LAYERS }));
  const source = `${from.host}/small/app:v1`;
  const to = await startTlsRegistry(setup, context, ROUND_TRIP_MS);
  const tools = tlsCopies(context, setup);
  const names = Object.keys(tools).filter((name) => name.startsWith('mlist') || isInstalled(name));
  const result = await compare<Sample>(names, rounds, async (name, round) => {
    const own = `${name.replace(' ', '-')}-${round}`;
    const home = join(folder, 'homes', `copy-${own}`);
    const target = `${to.host}/copied/${own}:v1`;
    const { measured } = tools[name]!({ host: to.host, sources: [source], target, name: own, folder: home });
    const env = { ...environmentIn(home), ...trustOf(name, setup) };
    await Promise.all([from.traffic(), to.traffic()]);
    const times = await runAll(measured, env);
    const [read, written] = await Promise.all([from.traffic(), to.traffic()]);
    return { ...times, requests: read.requests + written.requests };
  }).finally(() => to.close());
  printTable('tool', result, [requests, wall, cpu, peak, ratio('time', 'crane', result)]);
}

const programsOf: Readonly<Record<string, string>> = { imagetools: 'docker-buildx', crane: 'crane', regctl: 'regctl' };

function listTools(context: BenchContext, { caFile }: TlsSetup): Job['tools'] {
  const mlist = mlistOf(context, '--ca-file', caFile);
  return {
    bare: bareSteps(bareOf(context), 'all'),
    imagetools: ({ target, sources }) => ({ measured: [buildx('imagetools', 'create', '-t', target, ...sources)] }),
    crane: ({ target, sources }) => ({ measured: [crane('index', 'append', '-t', target, ...flags('-m', sources))] }),
    regctl: ({ target, sources }) => ({
      measured: [{ program: 'regctl', args: ['index', 'create', target, ...flags('--ref', sources)] }],
    }),
    'create --push': createPushing(mlist),
    'create and push': create(mlist),
  };
}
