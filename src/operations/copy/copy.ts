import { MlistError } from '../../errors/errors.ts';
import {
  contentReference,
  type ManifestContent,
  type ContentOptions,
  type ContentReader,
  type EngineTargetFacts,
  type Store,
} from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import type { EngineLocation } from '../../oci/engine-location.ts';
import {
  digestIn,
  formatLocation,
  isInEngine,
  nameOfTarget,
  sameStore,
  storeName,
  type Location,
} from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { readManifest } from '../../schema/documents.ts';
import { graphOfManifest } from '../../transfer/graph.ts';
import { MissingContent, type MissingEntries } from '../../transfer/missing-content.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { logTarget } from '../../transfer/target-log.ts';
import { filterContent, isFiltered, type FilterOptions, type Filtered, type Filtering } from './copy-filter.ts';
import { singleImage } from './single-image.ts';
import type { Omission } from '../omissions.ts';
import type { Attached } from './copy-attachments.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { TransferCounter, noTransfers, type TransferCounts } from '../publish/transfer-counts.ts';
import { transferCopy, type CopyTransfer, type Transferred } from './copy-transfer.ts';
import type { LoadedImage, ResolvedLocation } from '../../store/open.ts';
import { imageNameOf } from '../publish/image-name.ts';
import { withInterruptionReport } from '../publish/interruption.ts';
import { publish, type PublishContext } from '../publish/publish.ts';
import { completeSource } from '../publish/fill.ts';
import type { Filled } from '../events.ts';
import { requireExpected } from '../publish/check-push.ts';
import { waitForSource, type SourceWaitOptions } from '../source-wait.ts';
import { refusedRead } from '../publish/tag-state.ts';
import { checkMoves, platformsOf, type NextContent } from '../publish/tag-moves.ts';
import { toleranceWarnings } from '../warnings.ts';

export interface CopyOptions extends FilterOptions, PublishContext, SourceWaitOptions {
  /** Also copy the referrers of the list and of its images, and what cosign has tagged. Default false. */
  readonly referrers?: boolean | undefined;
  /** Check everything at the target instead of relying on its tag. Default false. */
  readonly force?: boolean | undefined;
  /** Write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Let a list replace a single image whose platform it does not have. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Platforms that the content must have. Default: none. */
  readonly expect?: readonly Platform[] | undefined;
  /** Refuse content that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
}

export interface Copied extends ReplacedTag {
  /** Location of the source. */
  readonly source: string;
  /** The mirror that has resolved the tag of the source, unless the registry has confirmed it. */
  readonly mirror?: string;
  /** Location of the target, with the tag or digest that was written. */
  readonly target: string;
  /** unchanged: the target already had the content under that name. planned: a dry run. */
  readonly status: 'copied' | 'unchanged' | 'planned';
  readonly descriptor: Descriptor;
  /** The digest at the source, if the copied list was filtered. */
  readonly filtered?: Digest;
  readonly moved: TransferCounts;
  /** Referrers and cosign tags that were copied too; undefined without `referrers`. */
  readonly referrers?: readonly Attached[];
  readonly left: readonly Omission[];
  /** What the engine has after the content was loaded; undefined for other targets, and if nothing was loaded. */
  readonly engine?: LoadedImage;
  /** What the source lacked and was read from elsewhere; undefined if it lacked nothing. */
  readonly filled?: readonly Filled[];
}

/**
 * Copies a list or an image with everything below it, byte for byte. A filter creates a new list that keeps the other
 * members of the original.
 * @param to - if it has no tag, the tag of the source is used
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`; `ERR_MLIST_EXPECTATION` if `to` has another digest
 */
export async function copy(from: Location, to: Location, options: CopyOptions): Promise<Copied> {
  return withInterruptionReport(options, (reported) => copyLocation(from, to, reported));
}

async function copyLocation(from: Location, to: Location, options: CopyOptions): Promise<Copied> {
  const { stores, dryRun, signal, onEvent } = options;
  if (isInEngine(to)) refuseForEngine(to, options);
  stores.expect({ write: [to], read: [from] });
  const source = await stores.resolveLocation(from, { signal });
  const filled: Filled[] = [];
  const tag = nameOfTarget(to) ?? (digestIn(to) === undefined ? source.tag : undefined);
  const job = { from, to, source, tag };
  onEvent?.({ type: 'from', from: from.kind, reference: formatLocation(from) });
  const imageName = (tag: string): string | undefined => imageNameOf(tag, source.repository);
  const name = tag ?? digestIn(to);
  if (name !== undefined) logTarget(options.targets, { reference: targetText(to, name), status: 'not-pushed' });
  let engine: LoadedImage | undefined;
  const load = isInEngine(to) ? { onLoaded: (loaded: LoadedImage) => void (engine = loaded) } : undefined;
  const recording: CopyOptions = {
    ...options,
    namedHosts: [from, to].flatMap((one) => (one.kind === 'registry' ? [one.reference.domain] : [])),
    onEvent: (event) => {
      if (event.type === 'filled') filled.push(event);
      onEvent?.(event);
    },
  };
  const copied = await publish(to, recording, { dryRun, signal, imageName, load }, (store, reporting) =>
    copyTo(store, job, reporting),
  );
  const mirror = stores.mirrorOf(from);
  return {
    ...copied,
    ...(mirror === undefined ? {} : { mirror }),
    ...(engine === undefined ? {} : { engine }),
    ...(filled.length === 0 ? {} : { filled: filled.map(withoutType) }),
  };
}

function withoutType({ what, digest, platform, source }: Filled): Filled {
  return { what, digest, ...(platform === undefined ? {} : { platform }), source };
}

/** A copy of one source to one name at the target. */
interface CopyJob {
  readonly from: Location;
  readonly to: Location;
  readonly source: ResolvedLocation;
  /** The tag to write; undefined if the content is copied by digest only. */
  readonly tag: string | undefined;
}

async function copyTo(store: Store, job: CopyJob, given: CopyOptions): Promise<Copied> {
  const { from, to, source, tag } = job;
  // An engine may have the list under this name, but only some of its images.
  const isPartial = store.engine !== undefined && !(await store.engine.isComplete());
  const options = isPartial ? { ...given, force: true } : given;
  const isForced = options.force === true;
  // The digest of a filtered list is not known yet.
  const known = tag ?? digestIn(to) ?? (isFiltered(options) ? undefined : source.name);
  const lookup = known === undefined ? undefined : lookUp(store, known, options);
  // It is awaited later, unless reading the source fails first.
  lookup?.catch(() => undefined);
  const existing = sameStore(from, to) || isForced ? undefined : (await lookup)?.found;
  const isSame = existing !== undefined && !isFiltered(options) && (await isAtSource(source, existing, options));
  if (isSame && options.referrers !== true) return unchanged(job, existing, options);
  const read = await waitForSource(() => source.store.fetchManifest(source.name, { signal: options.signal }), options);
  const reading = { store, job: completedJob(job, read, options), read, lookup };
  try {
    return await copyRead(reading, new Map(), options);
  } catch (thrown) {
    if (!(thrown instanceof MissingContent)) throw thrown;
    // The filter now knows what is missing: it skips or reports that.
    return copyRead(reading, thrown.missing, options);
  }
}

/** With `fill`, the source is completed by its origins. */
function completedJob(job: CopyJob, content: ManifestContent, options: CopyOptions): CopyJob {
  const { from, source } = job;
  const store = completeSource({ location: from, store: source.store, content }, options);
  return { ...job, source: { ...source, store } };
}

/** The content of the source, and what is known about the target. */
interface CopyReading {
  readonly store: Store;
  readonly job: CopyJob;
  readonly read: ManifestContent;
  readonly lookup: Promise<NameState> | undefined;
}

/** @throws MissingContent before anything is written, if the source does not have all of the content */
async function copyRead(
  { store, job: { from, to, source, tag }, read, lookup }: CopyReading,
  missing: MissingEntries,
  options: CopyOptions,
): Promise<Copied> {
  // Names of an engine are written by loading the content again.
  const isWithin = sameStore(from, to) && store.engine === undefined;
  const filtering = { store: source.store, reference: formatLocation(from), missing, isWithin };
  const filtered = await selectContent(read, filtering, store, options);
  const { content } = filtered;
  const { digest } = content.descriptor;
  const target = targetText(to, tag ?? digest);
  checkExpected(to, digest, target);
  await requirePlatformsOf(content, source.store, options);
  const isForced = options.force === true;
  const before = isForced ? undefined : (await (lookup ?? lookUp(store, digest, options))).found;
  const isUpToDate = before?.digest === digest;
  const isMoved =
    (!isWithin || options.missing === 'fill') && options.dryRun !== true && (!isUpToDate || options.referrers === true);
  const next = { content, source: source.store };
  const replaced =
    store.engine === undefined
      ? replacedBy(next, tag, lookup, { store, reference: target, ...options })
      : replacedInEngine(store.engine, tag, lookup, options);
  replaced.catch(() => undefined);
  const node = isMoved ? await graphOfManifest(source.store, content, { signal: options.signal }) : undefined;
  report(read, filtered, filtering.reference, options);
  const transfer: CopyTransfer = {
    source: source.store,
    target: store,
    content,
    node,
    original: read.descriptor.digest,
    name: tag ?? digest,
    isUpToDate,
    isNew: before === undefined,
    isRegistry: to.kind === 'registry',
    replaced,
  };
  if (isUpToDate) logTarget(options.targets, { reference: target, status: 'unchanged', digest });
  const { moved, ...result } = await runTransfer(transfer, options);
  return {
    source: formatLocation(from),
    target,
    status: isUpToDate ? 'unchanged' : options.dryRun === true ? 'planned' : 'copied',
    ...(tag === undefined ? {} : (await replaced).get(tag)),
    descriptor: content.descriptor,
    ...(content === read ? {} : { filtered: read.descriptor.digest }),
    moved,
    ...(result.attached === undefined ? {} : { referrers: result.attached }),
    left: [...filtered.omissions, ...result.omissions],
  };
}

async function selectContent(
  read: ManifestContent,
  filtering: Filtering,
  { engine }: Store,
  options: CopyOptions,
): Promise<Filtered> {
  const filtered = await filterContent(read, filtering, options);
  const { store, reference } = filtering;
  return engine === undefined || engine.holdsLists
    ? filtered
    : singleImage(filtered, store, engine, { reference, signal: options.signal });
}

function unchanged({ from, to, tag }: CopyJob, descriptor: Descriptor, { targets }: CopyOptions): Copied {
  const { digest } = descriptor;
  const target = targetText(to, tag ?? digest);
  logTarget(targets, { reference: target, status: 'unchanged', digest });
  const source = formatLocation(from);
  return { source, target, status: 'unchanged', before: digest, descriptor, moved: noTransfers, left: [] };
}

async function runTransfer(
  transfer: CopyTransfer,
  options: CopyOptions,
): Promise<Transferred & { readonly moved: TransferCounts }> {
  if (options.dryRun === true) return { moved: noTransfers, omissions: [] };
  const count = new TransferCounter(options.onEvent);
  const result = await transferCopy(transfer, { ...options, onEvent: count.onEvent });
  for (const omission of result.omissions) options.onEvent?.({ type: 'left', ...omission });
  return { ...result, moved: count.moved };
}

/** What the target has under a name, or why it could not be read. */
interface NameState {
  readonly found?: Descriptor | undefined;
  readonly unread?: MlistError;
}

async function lookUp(store: ContentReader, name: string, { signal }: ContentOptions): Promise<NameState> {
  try {
    return { found: await ignoreNotFound(store.resolve(name, { signal })) };
  } catch (thrown) {
    return { unread: refusedRead(thrown, { signal }) };
  }
}

interface ReplacedOptions extends CopyOptions {
  readonly store: Store;
  /** The target, for messages. */
  readonly reference: string;
}

/** What the tag of the target has before it is moved. */
async function replacedBy(
  next: NextContent,
  tag: string | undefined,
  lookup: Promise<NameState> | undefined,
  { store, reference, stores, ...options }: ReplacedOptions,
): Promise<ReadonlyMap<string, ReplacedTag>> {
  if (tag === undefined) return new Map();
  const { found, unread } = (await lookup) ?? {};
  options.signal?.throwIfAborted();
  const before = unread === undefined ? (found?.digest ?? 'absent') : undefined;
  return checkMoves(store, [{ tag, reference, before, unread }], next, { ...options, stores });
}

/** What a name of an engine has before it is moved, if the engine keeps manifests. */
async function replacedInEngine(
  { holdsLists }: EngineTargetFacts,
  tag: string | undefined,
  lookup: Promise<NameState> | undefined,
  { dryRun }: CopyOptions,
): Promise<ReadonlyMap<string, ReplacedTag>> {
  if (tag === undefined || !holdsLists || dryRun === true) return new Map();
  const { found, unread } = (await lookup) ?? {};
  return new Map([[tag, unread === undefined ? { before: found?.digest ?? 'absent' } : {}]]);
}

/** Refuses options that need more than an engine can hold or report. */
function refuseForEngine(to: EngineLocation, { referrers, expectKept }: CopyOptions): void {
  const reason =
    referrers === true
      ? 'engines do not hold referrers; leave out --referrers'
      : expectKept === true
        ? '"--expect kept" cannot be checked in an engine; name the platforms'
        : undefined;
  if (reason === undefined) return;
  const reference = formatLocation(to);
  throw new MlistError('ERR_MLIST_USAGE', `cannot write ${reference}: ${reason}`, { reference });
}

/** @param name - a tag or a digest */
function targetText(to: Location, name: string): string {
  return contentReference(storeName(to), name);
}

/**
 * Whether the source has what the target has. The source's manifest is not fetched, since registries count that against
 * rate limits, or cache it. A source that is given by digest needs no request.
 */
async function isAtSource(
  { store, name }: ResolvedLocation,
  before: Descriptor,
  options: CopyOptions,
): Promise<boolean> {
  if (isDigestName(name)) return name === before.digest;
  const { signal } = options;
  return (await waitForSource(() => store.resolve(name, { signal }), options)).digest === before.digest;
}

function checkExpected(to: Location, digest: Digest, target: string): void {
  const expected = digestIn(to);
  if (expected === undefined || expected === digest) return;
  throw new MlistError(
    'ERR_MLIST_EXPECTATION',
    `${target} was expected to be ${expected}, but the content to copy is ${digest}`,
    {
      reference: target,
      hint: 'Leave out the digest of the target, or use it for the source.',
    },
  );
}

async function requirePlatformsOf(
  { bytes, descriptor }: ManifestContent,
  store: ContentReader,
  { expect = [], stores, signal }: CopyOptions,
): Promise<void> {
  if (expect.length === 0) return;
  const name = `${store.location}@${descriptor.digest}`;
  const manifest = readManifest(bytes, descriptor.mediaType, name);
  requireExpected(name, await platformsOf(manifest, store, { stores, signal }), expect);
}

function report(
  read: ManifestContent,
  { content, events }: Filtered,
  reference: string,
  { onEvent }: CopyOptions,
): void {
  for (const event of [...toleranceWarnings(read, reference), ...events]) onEvent?.(event);
  if (content === read) return;
  const [original, filtered] = [read.descriptor.digest, content.descriptor.digest];
  if (!isIndexType(content.descriptor.mediaType)) {
    onEvent?.({ type: 'note', message: `the engine gets the image ${filtered} without its list ${original}` });
    return;
  }
  onEvent?.({
    type: 'note',
    message: `the filtered list has a new digest: ${original} -> ${filtered}; signatures of the old list do not apply to it`,
  });
}
