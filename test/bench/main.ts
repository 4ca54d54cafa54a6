import { parseArgs } from 'node:util';
import { benchApply } from './apply.ts';
import { benchCompression } from './compression.ts';
import { benchEngines } from './engines.ts';
import { benchHostile } from './hostile.ts';
import { benchJoin } from './join.ts';
import { benchServe } from './serve.ts';
import { benchStartup } from './startup.ts';
import { benchStream } from './stream.ts';
import { benchTls } from './tls.ts';
import { benchWork } from './work.ts';
import { benchWorkspace } from './workspace.ts';

/** Benchmarks. The results are ratios of alternating runs, so that they do not depend on the speed of the machine. */
export interface BenchContext {
  /** The checkout. */
  readonly root: string;
  /** A folder that is removed afterwards. It contains the scripts that the benchmarks start, such as `bare.mjs`. */
  readonly folder: string;
  /** The number of rounds that are counted. Default: that of the part. */
  readonly rounds?: number | undefined;
}

const parts: Readonly<Record<string, (context: BenchContext, only: readonly string[]) => Promise<void>>> = {
  tls: benchTls,
  stream: benchStream,
  startup: benchStartup,
  workspace: benchWorkspace,
  work: benchWork,
  hostile: benchHostile,
  compression: benchCompression,
  engines: benchEngines,
  apply: benchApply,
  join: benchJoin,
  serve: benchServe,
};

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string' } } });
const [root = '', folder = '', ...wanted] = positionals;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && !(rounds >= 1)) fail('--rounds takes a number');
// `work:create,copy` runs only these jobs.
const runs = (wanted.length > 0 ? wanted : Object.keys(parts)).map((one) => one.split(':'));
const unknown = runs.filter(([name = '']) => !Object.hasOwn(parts, name)).map(([name]) => name);
if (unknown.length > 0) fail(`unknown benchmark: ${unknown.join(', ')}. Known: ${Object.keys(parts).join(', ')}`);
for (const [name = '', only] of runs) {
  const part = parts[name];
  if (part === undefined) continue;
  process.stdout.write(`# ${name}\n`);
  await part({ root, folder, rounds }, only?.split(',') ?? []);
}
