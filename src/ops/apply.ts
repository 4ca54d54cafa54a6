import { asMlistError, MlistError, SeveralErrors } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { SourceReader } from './apply-sources.ts';
import { applyList, type ListOutcome } from './apply-list.ts';
import { checkTogether, shardOf, type Shard } from './apply-units.ts';
import type { OnEvent, OperationEvent } from './events.ts';
import type { Homes } from './homes.ts';
import type { PushedTarget } from './push-target.ts';
import type { SpecParsing } from './spec-parse.ts';
import { readSpecs, type SpecFile, type SpecUnit } from './spec-read.ts';

export interface ApplyOptions extends SpecParsing {
  readonly homes: Homes;
  /** Write nothing: tell what would be written. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Only the lists that fall to this one of several runners. Default: all. */
  readonly shard?: Shard | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/** What became of one spec. */
export interface AppliedList {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Canonical reference, or as it is written where it is none; undefined where that cannot be read. */
  readonly list?: string;
  /** stopped: the run was interrupted before its end. */
  readonly status: 'pushed' | 'unchanged' | 'planned' | 'failed' | 'stopped';
  readonly descriptor?: Descriptor;
  /** Where it lies now, or would; also what succeeded beside a failure. */
  readonly targets: readonly PushedTarget[];
  /** Sources that are not there, and were left out as the spec allows. */
  readonly missing: readonly string[];
  readonly warnings: readonly string[];
  readonly errors: readonly MlistError[];
}

export interface Applied {
  /** In the order of the files. */
  readonly lists: readonly AppliedList[];
  /** How many blobs, manifests and tags were written. */
  readonly writes: number;
}

/** How many lists are worked on at once: memory holds no more of them. */
const LISTS_AT_ONCE = 16;

/**
 * Makes the lists that the specs in the files say, where they are not there already. One failure stops nothing else: each
 * list is told of, with its errors.
 */
export async function apply(files: readonly SpecFile[], options: ApplyOptions): Promise<Applied> {
  const { homes, shard, signal } = options;
  const read: SpecUnit[] = [];
  for (const file of files) read.push(...(await readSpecs(file, options)));
  const all = checkTogether(read);
  const units = shard === undefined ? all : shardOf(all, shard);
  const specs = units.flatMap(({ spec }) => spec ?? []);
  expectAccess(specs, homes);
  const run = new Run(new SourceReader(specs, homes, signal), options);
  const lists = await inPool(units, LISTS_AT_ONCE, (unit) => run.apply(unit));
  return { lists, writes: run.writes };
}

/** One token is to serve the repositories that the lists go to. */
function expectAccess(
  specs: readonly { readonly list: { readonly domain: string; readonly path: string } }[],
  homes: Homes,
) {
  const repositories = new Map(specs.map(({ list: { domain, path } }) => [`${domain}/${path}`, { domain, path }]));
  homes.registries.expect([...repositories.values()].map((reference) => ({ reference, push: true })));
}

/** Works on so many at once, and gives the results in the order of the items. */
async function inPool<T, R>(items: readonly T[], most: number, work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const open = items.entries();
  const worker = async () => {
    for (const [at, item] of open) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}

class Run {
  writes = 0;
  readonly #sources: SourceReader;
  readonly #options: ApplyOptions;

  constructor(sources: SourceReader, options: ApplyOptions) {
    this.#sources = sources;
    this.#options = options;
  }

  async apply(unit: SpecUnit): Promise<AppliedList> {
    const { signal, onEvent } = this.#options;
    const warnings: string[] = (unit.quirks ?? []).map(
      ({ line, column, message }) => `${unit.file}:${line}:${column}: ${message}`,
    );
    for (const message of warnings) onEvent?.({ type: 'warning', message });
    const told = (event: OperationEvent): void => {
      if (isWrite(event)) this.writes += 1;
      const named = event.type === 'warning' ? { ...event, message: `${whereOf(unit)}: ${event.message}` } : event;
      if (named.type === 'warning') warnings.push(named.message);
      onEvent?.(named);
    };
    const { spec } = unit;
    if (spec === undefined) return { ...factsOf(unit), ...failed(problemsOf(unit)), warnings };
    if (isAborted(signal)) return { ...factsOf(unit), ...stopped, warnings };
    try {
      const outcome = await applyList(spec, { ...this.#options, sources: this.#sources, onEvent: told });
      tellOfType(unit, outcome, told);
      return { ...factsOf(unit), ...resultOf(outcome, unit, signal), warnings };
    } catch (thrown) {
      if (isAborted(signal)) return { ...factsOf(unit), ...stopped, warnings };
      return { ...factsOf(unit), ...failed(partsOf(thrown).map((error) => inPlace(error, unit))), warnings };
    }
  }
}

/** Asked anew each time: it may have happened meanwhile. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function isWrite(event: OperationEvent): boolean {
  if (event.type === 'blob') return event.how !== 'present';
  return event.type === 'manifest' || event.type === 'tagged';
}

/** manifest-tool makes a Docker list whatever it lists. */
function tellOfType({ quirks }: SpecUnit, { descriptor }: ListOutcome, tell: OnEvent): void {
  if (quirks === undefined || descriptor.mediaType.includes('docker')) return;
  tell({
    type: 'warning',
    message: 'it is an OCI index, since that is what its images need; manifest-tool makes a Docker list by default',
  });
}

const nothingDone = { targets: [], missing: [], errors: [] } as const;
const stopped = { ...nothingDone, status: 'stopped' } as const;

function failed(errors: readonly MlistError[]): Omit<AppliedList, 'file' | 'line' | 'column' | 'warnings'> {
  return { ...nothingDone, status: 'failed', errors };
}

function resultOf(
  { failures, ...outcome }: ListOutcome,
  unit: SpecUnit,
  signal: AbortSignal | undefined,
): Omit<AppliedList, 'file' | 'line' | 'column' | 'warnings'> {
  if (failures.length > 0 && isAborted(signal)) return { ...outcome, status: 'stopped', errors: [] };
  const errors = failures.flatMap(partsOf).map((error) => inPlace(error, unit));
  if (errors.length > 0) return { ...outcome, status: 'failed', errors };
  const isDone = outcome.targets.every(({ status }) => status === 'unchanged');
  const isPlanned = outcome.targets.some(({ status }) => status === 'planned');
  return { ...outcome, status: isDone ? 'unchanged' : isPlanned ? 'planned' : 'pushed', errors };
}

function factsOf({
  file,
  line,
  column,
  spec,
  written,
}: SpecUnit): Pick<AppliedList, 'file' | 'line' | 'column' | 'list'> {
  const list = spec?.name ?? written;
  return { file, line, column, ...(list === undefined ? {} : { list }) };
}

function partsOf(thrown: unknown): readonly MlistError[] {
  const error = asMlistError(thrown);
  return error instanceof SeveralErrors ? error.errors : [error];
}

function whereOf({ file, line, spec, written }: SpecUnit): string {
  const name = spec?.name ?? written;
  return `${file}:${line}${name === undefined ? '' : `: ${name}`}`;
}

function inPlace(error: MlistError, unit: SpecUnit): MlistError {
  const { path = unit.file } = error.facts;
  return new MlistError(error.code, `${whereOf(unit)}: ${error.message}`, { ...error.facts, path });
}

/** Each problem is an error of its own, at its own line. */
function problemsOf({ file, problems }: SpecUnit): readonly MlistError[] {
  return problems.map((problem) => {
    const { line, column, message, pointer } = problem;
    const where = pointer === '' ? '' : ` (at ${pointer})`;
    return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${file}:${line}:${column}: ${message}${where}`, {
      path: file,
      problems: [problem],
    });
  });
}
