import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { guard, TokenService } from '../support/token-service.ts';
import { run, type Command } from './command.ts';
import { jobsOf, type Job } from './jobs.ts';
import type { BenchContext } from './main.ts';
import { median, print, turned } from './measure.ts';
import { DelayProxy } from './proxy.ts';
import { environmentIn, isInstalled, split, type Do } from './tools.ts';

const ROUNDS = 7;

/** Requests and time of each installed tool for the same jobs, in alternating runs through one proxy. */
export async function benchWork(place: BenchContext, only: readonly string[]): Promise<void> {
  const jobs = jobsOf(programs(place, 'mlist'), programs(place, 'bare'));
  const unknown = only.filter((name) => jobs[name] === undefined);
  if (unknown.length > 0) throw new Error(`there is no work ${unknown.join(', ')}: ${Object.keys(jobs).join(', ')}`);
  const isReal = programPath('docker-registry') !== undefined;
  print(
    `registry: ${isReal ? 'docker-registry' : 'the embedded one (docker-registry is not on PATH)'}; rounds: ${ROUNDS}`,
  );
  for (const [name, job] of Object.entries(jobs)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const registry = await (isReal ? startDockerRegistry() : startRegistry());
    try {
      await benchJob(name, job, registry, place);
    } finally {
      await registry.close();
    }
  }
}

function programs({ root, folder }: BenchContext, what: 'mlist' | 'bare') {
  const path = what === 'mlist' ? join(root, 'dist', 'cli', 'mlist.js') : join(folder, 'bare.mjs');
  return (...args: readonly string[]): Command => ({ program: process.execPath, args: [path, ...args] });
}

interface Result {
  readonly milliseconds: number[];
  readonly requests: number[];
  readonly depths: number[];
  readonly tokens: number[];
}

async function benchJob(key: string, job: Job, registry: Registry, { folder }: BenchContext): Promise<void> {
  print(`\n## ${job.title}\n   aim: ${job.aim}`);
  const seeds = await job.seed(registry.url);
  const setup = await setUp(job, registry);
  const tools = Object.entries(job.tools).filter(([name]) => isOurs(name) || isInstalled(name.split(' ')[0] ?? name));
  const missing = Object.keys(job.tools).filter((name) => !tools.some(([known]) => known === name));
  const results = new Map<string, Result>(
    tools.map(([name]) => [name, { milliseconds: [], requests: [], depths: [], tokens: [] }]),
  );
  const failed = new Map<string, string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, tool] of turned(tools, round)) {
      if (failed.has(name)) continue;
      const one = measure({ key, name, tool, round, job, seeds, setup, folder }, results.get(name));
      await one.catch((thrown: unknown) => failed.set(name, thrown instanceof Error ? thrown.message : String(thrown)));
    }
  }
  await setup.close();
  report(results, failed, missing);
}

function isOurs(name: string): boolean {
  return ['mlist', 'mlist --push', 'bare', 'bare in two'].includes(name);
}

interface Setup {
  readonly proxy: DelayProxy;
  readonly tokens: TokenService | undefined;
  close(): Promise<void>;
}

/** The registry behind the proxy, and behind a proxy that requires tokens if the job does. */
async function setUp({ guarded = false }: Job, registry: Registry): Promise<Setup> {
  if (!guarded) {
    const proxy = await DelayProxy.start(registry.url);
    return { proxy, tokens: undefined, close: () => proxy.close() };
  }
  const tokens = await TokenService.start({ grant: (scopes) => scopes });
  const tokenProxy = await RecordingProxy.start({ upstream: registry.url });
  guard(tokenProxy, tokens);
  const proxy = await DelayProxy.start(tokenProxy.url);
  const close = async () => {
    for (const one of [proxy, tokenProxy, tokens]) await one.close();
  };
  return { proxy, tokens, close };
}

interface Measuring {
  /** Name of the job. */
  readonly key: string;
  readonly name: string;
  readonly tool: Do;
  readonly round: number;
  readonly job: Job;
  readonly seeds: readonly string[];
  readonly setup: Setup;
  readonly folder: string;
}

async function measure(measuring: Measuring, results: Result | undefined): Promise<void> {
  const { key, name, tool, round, job, seeds, folder } = measuring;
  const { proxy, tokens } = measuring.setup;
  const { host } = proxy;
  const own = `${name.replaceAll(' ', '-')}-${round}`;
  const [repository] = split(seeds[0] ?? '');
  const target = `${host}/${job.elsewhere === true ? `made/${own}` : repository}:${own}`;
  const toolFolder = join(folder, 'homes', `${key}-${own}`);
  const sources = seeds.map((seed) => `${host}/${seed}`);
  const steps = tool({ host, sources, target, name: own, folder: toolFolder });
  const env = environmentIn(toolFolder);
  const all = async (commands: readonly Command[]) => {
    let milliseconds = 0;
    for (const command of commands) milliseconds += await run({ ...command, env });
    return milliseconds;
  };
  proxy.delayMs = 0;
  await all(steps.before ?? []);
  proxy.delayMs = job.delayMs ?? 0;
  proxy.reset();
  const tokenRequests = tokens?.requests.length ?? 0;
  results?.milliseconds.push(await all(steps.measured));
  results?.requests.push(proxy.requests);
  results?.depths.push(proxy.depth);
  results?.tokens.push((tokens?.requests.length ?? 0) - tokenRequests);
}

function report(
  results: ReadonlyMap<string, Result>,
  failed: ReadonlyMap<string, string>,
  missing: readonly string[],
): void {
  const ours = median(results.get('mlist')?.milliseconds ?? []);
  for (const [name, { milliseconds, requests, depths, tokens }] of results) {
    const fault = failed.get(name);
    if (fault !== undefined) {
      print(`   ${name.padEnd(14)} failed: ${fault}`);
      continue;
    }
    const tokenText = tokens.some((count) => count > 0) ? `, ${median(tokens)} token requests` : '';
    const ratio = (median(milliseconds) / ours).toFixed(2);
    const counts = `${String(median(requests)).padStart(4)} requests${tokenText}, ${String(median(depths)).padStart(3)} deep`;
    print(`   ${name.padEnd(14)} ${counts}, ${ratio} times mlist's time`);
  }
  if (missing.length > 0) print(`   not found: ${missing.join(', ')}`);
}
