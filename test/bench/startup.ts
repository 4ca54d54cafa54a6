import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage, pushImage } from '../support/images.ts';
import { run, type Command, type Measured } from './command.ts';
import { compare, meanCpuOf, printTable, ratio, wallOf, type Column, type Compared } from './compare.ts';
import { startTarget } from './large-layer.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { installedPackage, nodes, type NodeBinary } from './node-versions.ts';
import { missingPrograms, startTlsRegistry, tlsSetup, type TlsRegistry } from './tls-registry.ts';
import { environmentIn } from './tools.ts';

const ROUNDS = 41;
const architectures = ['amd64', 'arm64', 's390x', 'riscv64', 'ppc64le'];
const HOSTS = architectures.length;

/**
 * Start of the installed package on several versions of Node, relative to a Node program that does nothing, and what a
 * private certificate authority costs. `startup:24` runs one version.
 */
export async function benchStartup(context: BenchContext, only: readonly string[]): Promise<void> {
  const program = installedPackage(context);
  const registry = await startTarget();
  const reference = `${registry.host}/bench/app:arm64`;
  await pushFor(registry.url, 'arm64');
  try {
    for (const node of nodes(context, only)) {
      const env = environmentIn(join(context.folder, 'homes', `startup-${node.version}`));
      const mlist = (...args: readonly string[]) => ({ program: node.path, args: [program, ...args], env });
      const starting = { node, mlist, context };
      await benchCommands(starting, reference);
      await benchAuthorities(starting);
    }
  } finally {
    await registry.close();
  }
}

interface Starting {
  readonly node: NodeBinary;
  readonly mlist: (...args: readonly string[]) => Command;
  readonly context: BenchContext;
}

const EMPTY = 'node -e 0';
const milliseconds: Column = ['wall', (samples) => `${wallOf(samples).toFixed(0)} ms`];
const cpuMilliseconds: Column = ['mean CPU', (samples) => `${meanCpuOf(samples).toFixed(0)} ms`];
const columnsOf = (result: Compared): readonly Column[] => [
  milliseconds,
  cpuMilliseconds,
  ratio('time', EMPTY, result),
  ratio('CPU', EMPTY, result, meanCpuOf),
];

async function benchCommands({ node, mlist, context }: Starting, reference: string): Promise<void> {
  const { root, rounds = ROUNDS } = context;
  await run(mlist('create', `${reference}-list`, reference));
  print(`\n## Node ${node.version} (${node.origin}), installed package; rounds: ${rounds}\n`);
  let edits = 0;
  const annotate = () => ['annotate', '--variant', `v${(edits += 1)}`];
  // `npm run build:binary` builds it. `build/` has a folder for each platform that it was built for.
  const executable = join(root, 'build', `${process.platform}-${process.arch}`, 'mlist');
  const commands: Readonly<Record<string, () => Command>> = {
    [EMPTY]: () => emptyOf(node, mlist),
    ls: () => mlist('ls'),
    'ls, no compile cache': () => withoutCache(mlist('ls')),
    annotate: () => mlist(...annotate()),
    'digest, plain http': () => mlist('digest', reference),
    'digest, no compile cache': () => withoutCache(mlist('digest', reference)),
    'digest, first start': () => withEmptyCache(mlist('digest', reference), join(context.folder, 'caches')),
    ...(existsSync(executable) && {
      'executable ls': () => ({ ...mlist(), program: executable, args: ['ls'] }),
      'executable annotate': () => ({ ...mlist(), program: executable, args: annotate() }),
    }),
  };
  const result = await compare(Object.keys(commands), rounds, (name) => run(commands[name]!()));
  printTable('command', result, columnsOf(result));
}

function pushFor(url: string, architecture: string): Promise<void> {
  return pushImage(url, 'bench/app', architecture, makeImage({ platform: { architecture, os: 'linux' } }));
}

function emptyOf({ path }: NodeBinary, mlist: Starting['mlist']): Command {
  return { ...mlist(), program: path, args: ['-e', '0'] };
}

function withoutCache({ env, ...command }: Command): Command {
  return { ...command, env: { ...env, NODE_DISABLE_COMPILE_CACHE: '1' } };
}

/** Every run writes the compile cache again. */
function withEmptyCache({ env, ...command }: Command, parent: string): Command {
  mkdirSync(parent, { recursive: true });
  return { ...command, env: { ...env, XDG_CACHE_HOME: mkdtempSync(join(parent, 'cache-')) } };
}

/**
 * Without verification, a connection costs as much as with a public authority: Node's authorities are parsed for both. So
 * the difference to a verified connection is what a private authority costs.
 */
async function benchAuthorities(starting: Starting): Promise<void> {
  const { context } = starting;
  const missing = missingPrograms();
  if (missing.length > 0) return print(`\nprivate authority skipped: not found: ${missing.join(', ')}`);
  const setup = await tlsSetup(context);
  const registries = await Promise.all(architectures.map(() => startTlsRegistry(setup, context)));
  try {
    await compareAuthorities(starting, registries, setup.caFile);
  } finally {
    for (const registry of registries) await registry.close();
  }
}

async function compareAuthorities(
  { node, mlist, context: { rounds = ROUNDS } }: Starting,
  registries: readonly TlsRegistry[],
  caFile: string,
): Promise<void> {
  const trusted = ['--ca-file', caFile];
  for (const [at, { url }] of registries.entries()) await pushFor(url, architectures[at] ?? '');
  const images = registries.map(({ host }, at) => `${host}/bench/app:${architectures[at] ?? ''}`);
  let lists = 0;
  const create = (count: number, options: readonly string[]) => () =>
    run(mlist('create', `example.test/app:r${(lists += 1)}`, ...images.slice(0, count), ...options));
  const commands: Readonly<Record<string, () => Promise<Measured>>> = {
    [EMPTY]: () => run(emptyOf(node, mlist)),
    'create, 1 host, public': create(1, ['--insecure']),
    'create, 1 host, private': create(1, trusted),
    [`create, ${HOSTS} hosts, public`]: create(HOSTS, ['--insecure']),
    [`create, ${HOSTS} hosts, private`]: create(HOSTS, trusted),
  };
  const result = await compare(Object.keys(commands), rounds, (command) => commands[command]!());
  print('');
  printTable('authority', result, columnsOf(result));
  const costs = ([wallOf, meanCpuOf] as const).map((of) => {
    const [, publicFirst = 0, privateFirst = 0, publicAll = 0, privateAll = 0] = [...result.samples.values()].map(of);
    const first = privateFirst - publicFirst;
    return { first, further: (privateAll - publicAll - first) / (HOSTS - 1) };
  });
  const text = (part: 'first' | 'further') => costs.map((cost) => `${cost[part].toFixed(0)} ms`).join(' (CPU ');
  print(
    `\nA private authority costs ${text('first')}) for the first host, and ${text('further')}) for each further host.`,
  );
}
