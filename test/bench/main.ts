import { benchApply } from './apply.ts';
import { benchCompression } from './compression.ts';
import { benchEngines } from './engines.ts';
import { benchHostile } from './hostile.ts';
import { benchJoin } from './join.ts';
import { benchServe } from './serve.ts';
import { benchStartup } from './startup.ts';
import { benchStream } from './stream.ts';
import { benchWork } from './work.ts';

/** Benchmarks. The results are ratios of alternating runs, so that they do not depend on the speed of the machine. */
export interface BenchContext {
  /** The checkout. */
  readonly root: string;
  /** A folder that is removed afterwards. */
  readonly folder: string;
}

const parts: Readonly<Record<string, (place: BenchContext, only: readonly string[]) => Promise<void>>> = {
  startup: benchStartup,
  hostile: benchHostile,
  work: benchWork,
  stream: benchStream,
  compression: benchCompression,
  engines: benchEngines,
  apply: benchApply,
  join: benchJoin,
  serve: benchServe,
};

const [root = '', folder = '', ...wanted] = process.argv.slice(2);
for (const one of wanted.length > 0 ? wanted : Object.keys(parts)) {
  // `work:create,copy` runs only these jobs.
  const [name = '', only] = one.split(':');
  const part = parts[name];
  if (part === undefined) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(', ')}`);
  process.stdout.write(`# ${name}\n`);
  await part({ root, folder }, only?.split(',') ?? []);
}
