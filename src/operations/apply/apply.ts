import { asMlistError, MlistError, SeveralErrors, type TargetOutcome } from '../../errors/errors.ts';
import { mapLimited } from '../../async/limiter.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Location } from '../../oci/location.ts';
import { RepositoryUse, SourceReader } from './apply-sources.ts';
import { applyList, type AppliedTarget, type ListOutcome } from './apply-list.ts';
import { shardOf, type Shard } from './apply-units.ts';
import { deduplicateEvents, type OnEvent, type OperationEvent } from '../events.ts';
import type { Stores } from '../../store/open.ts';
import type { HostUse } from '../../store/registry/host-use.ts';
import { interruption } from '../publish/interruption.ts';
import { targetsOf } from '../publish/target.ts';
import { repositoryName } from '../../oci/reference.ts';
import { SharedTransfers } from '../../transfer/shared-transfers.ts';
import { logTarget, type TargetLog } from '../../transfer/target-log.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SourceWaitOptions } from '../source-wait.ts';
import { locationsIn, type ListSpec } from '../spec/spec.ts';
import type { SpecParsing } from '../spec/parse-spec.ts';
import type { SpecFile, SpecUnit } from '../spec/read-spec.ts';
import { namesOf, readUnits } from '../spec/read-units.ts';

export interface ApplyOptions extends SpecParsing, SourceWaitOptions {
  /** Report the planned writes without writing anything. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Check all content of each list at the target, and write its tags even if they are up to date. Default false. */
  readonly force?: boolean | undefined;
  /** Allow a list to replace a single image even if the list lacks the platform of the image. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse lists that lack a platform of the list that they replace. Default false. */
  readonly expectKept?: boolean | undefined;
  /**
   * Called with the locations that a spec reads from, before they are read. Rejects if one of them must not be read.
   * Default: all locations may be read.
   */
  readonly admit?: ((locations: readonly Location[], file: string) => Promise<void>) | undefined;
  /** Apply only the lists of this shard. Other runs with the same specs apply the other shards. Default: all lists. */
  readonly shard?: Shard | undefined;
}

/** The outcome of one spec. */
export interface AppliedList {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /**
   * The canonical reference of the list, or its name as written if the spec is invalid. Absent if the name cannot be
   * read.
   */
  readonly list?: string;
  /** `stopped`: the run was interrupted before the list was complete. */
  readonly status: 'pushed' | 'unchanged' | 'planned' | 'failed' | 'stopped';
  readonly descriptor?: Descriptor;
  /**
   * The targets that now refer to the list or, with `dryRun`, would refer to it. Failed targets are not included.
   */
  readonly targets: readonly AppliedTarget[];
  /** The sources that do not exist and were left out, as the spec allows. */
  readonly missing: readonly string[];
  readonly warnings: readonly string[];
  readonly errors: readonly MlistError[];
}

export interface Applied {
  /** The lists in the order of the files. */
  readonly lists: readonly AppliedList[];
  /** Number of blobs, manifests and tags that were written. */
  readonly writes: number;
  /**
   * With `dryRun`: the hosts that the run would contact, and the credentials that they would receive. Absent if a list
   * was stopped.
   */
  readonly hosts?: readonly HostUse[];
  /** Reports the reason for the interruption, and the outcomes for the targets. Absent if no list was stopped. */
  readonly interruption?: MlistError;
}

/** Maximum number of lists that are applied concurrently. It limits the memory that a run needs. */
const LISTS_AT_ONCE = 16;

/**
 * Pushes or copies the lists of specs to the targets that are not up to date. A failure does not stop other lists: each
 * list is returned with its errors.
 * @throws MlistError `ERR_MLIST_USAGE` if all specs are valid, but a given value is not used in any of them
 */
export async function apply(files: readonly SpecFile[], options: ApplyOptions): Promise<Applied> {
  const units = await unitsOfShard(files, options);
  expectAccess(specsOf(units, options), options.stores);
  const run = new Run(units, options);
  const lists = await mapLimited(drained(units), LISTS_AT_ONCE, (unit) => run.apply(unit));
  const { writes, stopped } = run;
  const done = { lists, writes };
  if (!lists.some(({ status }) => status === 'stopped'))
    return options.dryRun === true ? { ...done, hosts: await options.stores.registries.hosts() } : done;
  return { ...done, interruption: interruption(options.signal?.reason, [...lists.flatMap(doneIn), ...stopped]) };
}

/** Returns the outcomes for the targets of a list; empty for a stopped list, whose outcomes are in `Run.stopped`. */
function doneIn({ status, targets, descriptor }: AppliedList): readonly TargetOutcome[] {
  if (status === 'stopped') return [];
  return targets.map((target) => {
    const outcome = target.status === 'planned' ? 'not-pushed' : target.status;
    return { reference: target.reference, status: outcome, ...(descriptor && { digest: descriptor.digest }) };
  });
}

/**
 * Reads the specs of this shard. This is a separate function, so that the specs of other shards can be
 * garbage-collected when it returns.
 */
async function unitsOfShard(files: readonly SpecFile[], { shard, ...parsing }: ApplyOptions): Promise<SpecUnit[]> {
  const all = await readUnits(files, parsing);
  return [...(shard === undefined ? all : shardOf(all, shard, parsing))];
}

function* specsOf(units: readonly SpecUnit[], parsing: SpecParsing): Generator<ListSpec> {
  for (const { spec } of units) if (spec !== undefined) yield unpackSpec(spec, parsing);
}

/** Announces pushes to the lists' repositories, so that one token can cover them. Targets are read without mirrors. */
function expectAccess(specs: Iterable<ListSpec>, stores: Stores): void {
  for (const { list, tags } of specs) {
    stores.expect({ later: targetsOf(list, tags, []).map(({ location }) => location) });
    stores.registries.expect([{ reference: list, push: true }]);
  }
}

/**
 * Yields the items in their order and removes each from the array, so that it can be garbage-collected after its use.
 */
function* drained<T>(items: T[]): Generator<T> {
  items.reverse();
  for (let item = items.pop(); item !== undefined; item = items.pop()) yield item;
}

interface Reporting {
  readonly targets: TargetLog;
  readonly onEvent: OnEvent;
}

class Run {
  writes = 0;
  /** The outcomes for the targets of stopped lists. */
  readonly stopped: TargetOutcome[] = [];
  readonly #sources: SourceReader;
  readonly #use: RepositoryUse;
  readonly #transfers = new SharedTransfers();
  readonly #options: ApplyOptions;

  constructor(units: readonly SpecUnit[], given: ApplyOptions) {
    const options = { ...given, onEvent: deduplicateEvents(given.onEvent, ['origin']) };
    this.#sources = new SourceReader(specsOf(units, options), options);
    this.#use = new RepositoryUse(specsOf(units, options));
    this.#options = options;
  }

  async apply(packed: SpecUnit): Promise<AppliedList> {
    const { onEvent } = this.#options;
    const spec = packed.spec && unpackSpec(packed.spec, this.#options);
    const unit = spec === undefined ? packed : { ...packed, written: spec.name };
    const warnings: string[] = (unit.quirks ?? []).map(
      ({ line, column, message }) => `${unit.file}:${line}:${column}: ${message}`,
    );
    for (const message of warnings) onEvent?.({ type: 'warning', message });
    const reported = (event: OperationEvent): void => {
      if (isWrite(event)) this.writes += 1;
      const named = event.type === 'warning' ? { ...event, message: placed(event.message, unit) } : event;
      if (named.type === 'warning') warnings.push(named.message);
      onEvent?.(named);
    };
    if (spec === undefined) return { ...factsOf(unit), ...failed(problemsOf(unit)), warnings };
    const result = await this.#applySpec(spec, unit, reported);
    return { ...factsOf(unit), ...result, warnings };
  }

  async #applySpec(spec: ListSpec, unit: SpecUnit, onEvent: OnEvent): Promise<ListResult> {
    const targets: TargetLog = new Map<string, TargetOutcome>();
    for (const reference of namesOf(spec)) logTarget(targets, { reference, status: 'not-pushed' });
    const isLate = isAborted(this.#options.signal);
    const result = isLate ? stopped : await this.#applyList(spec, unit, { targets, onEvent });
    this.#release(spec);
    if (result.status === 'stopped') this.stopped.push(...targets.values());
    return result;
  }

  async #applyList(spec: ListSpec, unit: SpecUnit, reporting: Reporting): Promise<ListResult> {
    const { signal, admit } = this.#options;
    try {
      await admit?.(locationsIn(spec), unit.file);
      const shared = { sources: this.#sources, transfers: this.#transfers };
      const outcome = await applyList(spec, { ...this.#options, ...shared, ...reporting });
      warnAboutType(unit, outcome, reporting.onEvent);
      return resultOf(outcome, unit, signal);
    } catch (thrown) {
      return isAborted(signal) ? stopped : failed(partsOf(thrown).map((error) => inPlace(error, unit)));
    }
  }

  #release(spec: ListSpec): void {
    for (const repository of this.#use.leave(spec)) {
      this.#options.stores.registries.forget(repository);
      this.#transfers.forget(repositoryName(repository));
    }
  }
}

/** This is a function, because TypeScript would assume that the property keeps its value after the first check. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function isWrite(event: OperationEvent): boolean {
  if (event.type === 'blob') return event.how !== 'present';
  return event.type === 'manifest' || event.type === 'tagged';
}

/**
 * Warns if the spec is in manifest-tool's format and the list is an OCI index, because manifest-tool creates Docker
 * lists by default.
 */
function warnAboutType({ quirks }: SpecUnit, { descriptor }: ListOutcome, onEvent: OnEvent): void {
  if (quirks === undefined || descriptor.mediaType.includes('docker')) return;
  onEvent({
    type: 'warning',
    message:
      'the list is an OCI index, because its images or annotations require one; ' +
      'manifest-tool creates a Docker list by default',
  });
}

const nothingDone = { targets: [], missing: [], errors: [] } as const;
const stopped = { ...nothingDone, status: 'stopped' } as const;

type ListResult = Omit<AppliedList, 'file' | 'line' | 'column' | 'warnings'>;

function failed(errors: readonly MlistError[]): ListResult {
  return { ...nothingDone, status: 'failed', errors };
}

function resultOf({ failures, ...outcome }: ListOutcome, unit: SpecUnit, signal: AbortSignal | undefined): ListResult {
  if (failures.length > 0 && isAborted(signal)) return { ...outcome, status: 'stopped', errors: [] };
  const errors = failures.flatMap(partsOf).map((error) => inPlace(error, unit));
  if (errors.length > 0) return { ...outcome, status: 'failed', errors };
  const isDone = outcome.targets.every(({ status }) => status === 'unchanged');
  const isPlanned = outcome.targets.some(({ status }) => status === 'planned');
  return { ...outcome, status: isDone ? 'unchanged' : isPlanned ? 'planned' : 'pushed', errors };
}

function factsOf({ file, line, column, written }: SpecUnit): Pick<AppliedList, 'file' | 'line' | 'column' | 'list'> {
  return { file, line, column, ...(written === undefined ? {} : { list: written }) };
}

function partsOf(thrown: unknown): readonly MlistError[] {
  const error = asMlistError(thrown);
  return error instanceof SeveralErrors ? error.errors : [error];
}

/**
 * Adds the position of the spec to the start of a message, followed by the name of the list unless the message begins
 * with it.
 */
function placed(message: string, { file, line, written }: SpecUnit): string {
  const name = written === undefined || message.startsWith(`${written} `) ? '' : `${written}: `;
  return `${file}:${line}: ${name}${message}`;
}

function inPlace(error: MlistError, unit: SpecUnit): MlistError {
  const { path = unit.file } = error.facts;
  return new MlistError(error.code, placed(error.message, unit), { ...error.facts, path });
}

/** Converts the problems of a spec to errors with their positions. */
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
