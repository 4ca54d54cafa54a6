import { benchApply } from './apply.ts';
import { benchHostile } from './hostile.ts';
import { benchJoin } from './join.ts';
import { benchStartup } from './startup.ts';
import { benchStream } from './stream.ts';
import { benchWork } from './work.ts';

/** Measurements, each printed by its part. Figures are ratios of things run in turn: a machine's own speed cancels out. */
export interface Place {
  /** The checkout. */
  readonly root: string;
  /** A folder that is gone afterwards. */
  readonly folder: string;
}

const parts: Readonly<Record<string, (place: Place, only: readonly string[]) => Promise<void>>> = {
  startup: benchStartup,
  hostile: benchHostile,
  work: benchWork,
  stream: benchStream,
  apply: benchApply,
  join: benchJoin,
};

const [root = '', folder = '', ...wanted] = process.argv.slice(2);
for (const one of wanted.length > 0 ? wanted : Object.keys(parts)) {
  // `work:create,copy` is these pieces of work alone.
  const [name = '', only] = one.split(':');
  const part = parts[name];
  if (part === undefined) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(', ')}`);
  process.stdout.write(`# ${name}\n`);
  await part({ root, folder }, only?.split(',') ?? []);
}
