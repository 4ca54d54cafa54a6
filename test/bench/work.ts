import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { guard, TokenService } from '../support/token-service.ts';
import { runAll, type Command } from './command.ts';
import { compare, printTable, ratio, requests, type Column, type Sample } from './compare.ts';
import { jobsOf, type Job } from './jobs.ts';
import type { BenchContext } from './main.ts';
import { median, print } from './measure.ts';
import { DelayProxy } from './proxy.ts';
import { bareOf, environmentIn, isInstalled, mlistOf, split, type Do } from './tools.ts';

const ROUNDS = 7;

/** Requests and time of each installed tool for the same jobs, in alternating runs through one proxy. */
export async function benchWork(context: BenchContext, only: readonly string[]): Promise<void> {
  const jobs = jobsOf(mlistOf(context), bareOf(context));
  const unknown = only.filter((name) => jobs[name] === undefined);
  if (unknown.length > 0) throw new Error(`there is no work ${unknown.join(', ')}: ${Object.keys(jobs).join(', ')}`);
  const isReal = programPath('docker-registry') !== undefined;
  print(
    `registry: ${isReal ? 'docker-registry' : 'the embedded one (docker-registry is not on PATH)'}; rounds: ${context.rounds ?? ROUNDS}`,
  );
  for (const [name, job] of Object.entries(jobs)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const registry = await (isReal ? startDockerRegistry() : startRegistry());
    try {
      await benchJob(name, job, registry, context);
    } finally {
      await registry.close();
    }
  }
}

interface WorkSample extends Sample {
  readonly tokens: number;
  /** Number of responses that were waited for in sequence. */
  readonly depth: number;
}

async function benchJob(key: string, job: Job, registry: Registry, context: BenchContext): Promise<void> {
  print(`\n## ${job.title}\n   aim: ${job.aim}\n`);
  const seeds = await job.seed(registry.url);
  const setup = await setUp(job, registry);
  const isFound = (name: string) => /^(?:mlist|bare)/.test(name) || isInstalled(name.split(' ')[0] ?? name);
  const names = Object.keys(job.tools);
  const found = names.filter(isFound);
  const { folder, rounds = ROUNDS } = context;
  const result = await compare(found, rounds, (name, round) => {
    const tool = job.tools[name]!;
    return measure({ key, name, tool, round, job, seeds, setup, folder });
  });
  await setup.close();
  const tokens: Column<WorkSample> = ['tokens', (samples) => median(samples.map((one) => one.tokens)).toFixed(0)];
  const depth: Column<WorkSample> = ['in sequence', (samples) => median(samples.map((one) => one.depth)).toFixed(0)];
  const columns = [requests, ...(job.guarded === true ? [tokens] : []), depth, ratio('time', 'mlist', result)];
  printTable('tool', result, columns);
  if (found.length < names.length) print(`\nnot found: ${names.filter((name) => !isFound(name)).join(', ')}`);
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

async function measure(measuring: Measuring): Promise<WorkSample> {
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
  const all = (commands: readonly Command[]) => runAll(commands, env);
  proxy.delayMs = 0;
  await all(steps.before ?? []);
  proxy.delayMs = job.delayMs ?? 0;
  proxy.reset();
  const tokenRequests = tokens?.requests.length ?? 0;
  const measured = await all(steps.measured);
  return {
    ...measured,
    requests: proxy.requests,
    depth: proxy.depth,
    tokens: (tokens?.requests.length ?? 0) - tokenRequests,
  };
}
