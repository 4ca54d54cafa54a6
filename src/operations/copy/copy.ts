import { type ManifestContent, type ContentReader, type Store } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { digestIn, formatLocation, isInEngine, nameOfTarget, sameStore, type Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { readManifest } from '../../schema/documents.ts';
import { graphOfManifest } from '../../transfer/graph.ts';
import { MissingContent, type MissingEntries } from '../../transfer/missing-content.ts';
import type { HostUse } from '../../store/registry/host-use.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { logTarget } from '../../transfer/target-log.ts';
import { filterContent, isFiltered, type FilterOptions, type Filtered, type Filtering } from './copy-filter.ts';
import { singleImage } from './single-image.ts';
import type { Omission } from '../omissions.ts';
import type { Attached } from './copy-attachments.ts';
import { TransferCounter, noTransfers, type TransferCounts } from '../publish/transfer-counts.ts';
import { checkExpected, refuseForEngine, targetText } from './copy-target.ts';
import { lookUp, replacedTags, requireStates, type NameState, type TargetName } from './copy-names.ts';
import { planCopy, transferCopy, type CopyTransfer, type Transferred } from './copy-transfer.ts';
import type { LoadedImage, ResolvedLocation } from '../../store/open.ts';
import { imageNameOf } from '../publish/image-name.ts';
import { withInterruptionReport } from '../publish/interruption.ts';
import { publish, type PublishContext } from '../publish/publish.ts';
import { completeSource } from '../publish/fill.ts';
import type { Filled } from '../events.ts';
import { requireExpected } from '../publish/check-push.ts';
import { waitForSource, type SourceWaitOptions } from '../source-wait.ts';
import type { TagState } from '../publish/tag-state.ts';
import { platformsOf } from '../publish/tag-moves.ts';
import { toleranceWarnings } from '../warnings.ts';

export interface CopyOptions extends FilterOptions, PublishContext, SourceWaitOptions {
  /**
   * Also copy the referrers of the list and of its images, and the manifests under their cosign tags. Default false.
   */
  readonly referrers?: boolean | undefined;
  /** Check all content at the target, even if its tag already refers to the content. Default false. */
  readonly force?: boolean | undefined;
  /** Write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** With `dryRun`: also return the plan, which takes extra requests. Default false. */
  readonly plans?: boolean | undefined;
  /** Additional tags of the target, which are moved together with its own tag. Default: none. */
  readonly tags?: readonly string[] | undefined;
  /**
   * Refuse unless each tag has this state (a digest, or `absent`), or already refers to the content. Default: not
   * checked.
   */
  readonly ifDigest?: TagState | undefined;
  /** Allow a tag to move from a single image to a list that has no image for its platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Platforms that the content must have. Default: none. */
  readonly expect?: readonly Platform[] | undefined;
  /** Refuse content that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
}

export interface Copied extends ReplacedTag {
  /** Canonical reference or location of the source. */
  readonly source: string;
  /** The mirror that resolved the tag of the source, unless the registry has confirmed the digest. */
  readonly mirror?: string;
  /** Location of the target, with the tag or digest that was written. */
  readonly target: string;
  /** `unchanged`: the target already had the content under that name. `planned`: a dry run. */
  readonly status: 'copied' | 'unchanged' | 'planned';
  /** The additional tags; undefined if no additional tags were requested. */
  readonly tags?: readonly CopiedTag[];
  readonly descriptor: Descriptor;
  /** The digest at the source, if only a part of the list was copied. */
  readonly filtered?: Digest;
  readonly moved: TransferCounts;
  /** The referrers and cosign tags that were copied; undefined unless the option `referrers` is set. */
  readonly referrers?: readonly Attached[];
  readonly left: readonly Omission[];
  /** The image or list that the engine has after the load; undefined for other targets, and if nothing was loaded. */
  readonly engine?: LoadedImage;
  /** Content that the source lacked and that was read from other locations; undefined if there was none. */
  readonly filled?: readonly Filled[];
}

/** An additional tag of the target. */
export interface CopiedTag extends ReplacedTag {
  readonly reference: string;
  readonly status: Copied['status'];
}

/** The result of a copy, with its plan. */
export interface CopyOutcome extends Copied {
  /** The plan, if `dryRun` and `plans` are set. Undefined if nothing has to be written. */
  readonly plan?: Plan;
  /** The hosts that the copy contacts and the credentials that they receive, if the option `plans` is set. */
  readonly hosts?: readonly HostUse[];
}

/**
 * Copies a list or an image with everything below it, byte for byte. If only a part of a list is selected, writes a new
 * list that differs from the original only in its entries.
 * @param to - the target. If it has neither a tag nor a digest, the tag of the source is used, if there is one
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if no image matches a requested platform; `ERR_MLIST_EXPECTATION`
 * if the content does not have the digest in `to`, or lacks an expected platform; `ERR_MLIST_CONFLICT` if
 * `ifDigest` or `replaceImage` does not allow a tag to be moved
 */
export async function copy(from: Location, to: Location, options: CopyOptions): Promise<CopyOutcome> {
  const copied = await withInterruptionReport(options, (reported) => copyLocation(from, to, reported));
  return options.plans === true ? { ...copied, hosts: await options.stores.registries.hosts() } : copied;
}

async function copyLocation(from: Location, to: Location, options: CopyOptions): Promise<CopyOutcome> {
  const { stores, dryRun, signal, onEvent } = options;
  if (isInEngine(to)) refuseForEngine(to, options);
  stores.expect({ write: [to], read: [from] });
  const source = await stores.resolveLocation(from, { signal });
  // The target is asked first, so the connection to the source is opened in the meantime.
  source.store.connect?.();
  const filled: Filled[] = [];
  const tag = nameOfTarget(to) ?? (digestIn(to) === undefined ? source.tag : undefined);
  const tags = [...new Set(options.tags ?? [])].filter((further) => further !== tag);
  const job = { from, to, source, tag, tags };
  onEvent?.({ type: 'from', from: from.kind, reference: formatLocation(from) });
  const imageName = (tag: string): string | undefined => imageNameOf(tag, source.repository);
  const name = tag ?? digestIn(to);
  for (const known of name === undefined ? tags : [name, ...tags])
    logTarget(options.targets, { reference: targetText(to, known), status: 'not-pushed' });
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

/** The source and the target of a copy. */
interface CopyJob {
  readonly from: Location;
  readonly to: Location;
  readonly source: ResolvedLocation;
  /** The tag to write; undefined if the content is copied by digest. */
  readonly tag: string | undefined;
  /** The additional tags to write. */
  readonly tags: readonly string[];
}

async function copyTo(store: Store, job: CopyJob, given: CopyOptions): Promise<CopyOutcome> {
  const { from, to, source, tag, tags } = job;
  // An engine may have the list under this name, but only some of its images. The copy is then required even if the
  // digest is the same.
  const isPartial = store.engine !== undefined && !(await store.engine.isComplete());
  const options = isPartial ? { ...given, force: true } : given;
  const isForced = options.force === true;
  // The digest of a filtered list is known only after the list has been read.
  const known = tag ?? digestIn(to) ?? (isFiltered(options) ? undefined : source.name);
  const lookup = known === undefined ? undefined : lookUp(store, known, options);
  const further = tags.map((name) => lookUp(store, name, options));
  // Prevents unhandled rejections if reading the source fails before these promises are awaited.
  for (const looking of [lookup, ...further]) looking?.catch(() => undefined);
  const existing = sameStore(from, to) || isForced ? undefined : (await lookup)?.found;
  const haveSame = (await Promise.all(existing === undefined ? [] : further)).every(
    ({ found }) => found?.digest === existing?.digest,
  );
  const isSame =
    existing !== undefined && haveSame && !isFiltered(options) && (await isAtSource(source, existing, options));
  if (isSame && options.referrers !== true) return unchanged(job, existing, options);
  const read = await waitForSource(() => source.store.fetchManifest(source.name, { signal: options.signal }), options);
  const reading = { store, job: completedJob(job, read, options), read, lookup, further };
  try {
    return await copyRead(reading, new Map(), options);
  } catch (thrown) {
    if (!(thrown instanceof MissingContent)) throw thrown;
    // The missing entries are known now, so the filter can skip or report them.
    return copyRead(reading, thrown.missing, options);
  }
}

/** If `fill` was chosen, makes the source of the job read missing content from other locations. */
function completedJob(job: CopyJob, content: ManifestContent, options: CopyOptions): CopyJob {
  const { from, source } = job;
  const store = completeSource({ location: from, store: source.store, content }, options);
  return { ...job, source: { ...source, store } };
}

/** The content of the source, and the states of the names at the target, as far as they are known. */
interface CopyReading {
  readonly store: Store;
  readonly job: CopyJob;
  readonly read: ManifestContent;
  /** The state of the first name; undefined if the name was not known before the source was read. */
  readonly lookup: Promise<NameState> | undefined;
  /** The states of the additional tags. */
  readonly further: readonly Promise<NameState>[];
}

/**
 * Copies content that was read.
 * @throws MissingContent before anything is written, if the source does not have all of the content
 */
async function copyRead(reading: CopyReading, missing: MissingEntries, options: CopyOptions): Promise<CopyOutcome> {
  const { store, job, read } = reading;
  const { from, to, source, tag } = job;
  // A copy within an engine transfers the content again, because mlist names an image in an engine only by loading it.
  const isWithin = sameStore(from, to) && store.engine === undefined;
  const filtering = { store: source.store, reference: formatLocation(from), missing, isWithin };
  const filtered = await selectContent(read, filtering, store, options);
  const { digest } = filtered.content.descriptor;
  checkExpected(to, digest, targetText(to, tag ?? digest));
  await requirePlatformsOf(filtered.content, source.store, options);
  const names = await targetNames(reading, digest, options);
  if (options.ifDigest !== undefined) requireStates(names, digest, options.ifDigest);
  report(read, filtered, filtering.reference, options);
  return copySelected({ ...reading, filtered, names, isWithin }, options);
}

interface SelectedCopy extends CopyReading {
  readonly filtered: Filtered;
  readonly names: readonly [TargetName, ...TargetName[]];
  /** Whether source and target are the same store. Always false if the target is an engine. */
  readonly isWithin: boolean;
}

/** Copies the selected content to the target, and writes its names. */
async function copySelected(selected: SelectedCopy, options: CopyOptions): Promise<CopyOutcome> {
  const { store, job, read, filtered, names, isWithin } = selected;
  const { from, to, source } = job;
  const { dryRun = false, plans = false, force = false } = options;
  const { content } = filtered;
  const { digest } = content.descriptor;
  const isUpToDate = ({ state }: TargetName): boolean => !force && state?.found?.digest === digest;
  const isPresent = names.some(isUpToDate);
  const isMoved =
    (!isWithin || options.missing === 'fill') && (!dryRun || plans) && (!isPresent || options.referrers === true);
  const replaced = replacedTags(store, names, { content, source: source.store }, options);
  replaced.catch(() => undefined);
  const node = isMoved ? await graphOfManifest(source.store, content, { signal: options.signal }) : undefined;
  const transfer: CopyTransfer = {
    source: source.store,
    target: store,
    content,
    node,
    original: read.descriptor.digest,
    names: names.filter((name) => !isUpToDate(name)).map(({ name }) => name),
    ifDigest: options.ifDigest,
    isPresent,
    isNew: names.every(({ state }) => force || state?.found === undefined),
    isRegistry: to.kind === 'registry',
    replaced,
  };
  for (const { reference } of names.filter(isUpToDate))
    logTarget(options.targets, { reference, status: 'unchanged', digest });
  const { moved, attached, omissions, plan } = await runTransfer(transfer, options);
  const written = dryRun ? 'planned' : 'copied';
  const before = await replaced;
  const outcome = (name: TargetName): CopiedTag => {
    return { reference: name.reference, status: isUpToDate(name) ? 'unchanged' : written, ...before.get(name.name) };
  };
  const [own, ...tags] = names;
  const { reference: target, ...result } = outcome(own);
  return {
    source: formatLocation(from),
    target,
    ...result,
    ...(tags.length === 0 ? {} : { tags: tags.map(outcome) }),
    descriptor: content.descriptor,
    ...(content === read ? {} : { filtered: read.descriptor.digest }),
    moved,
    ...(attached === undefined ? {} : { referrers: attached }),
    left: [...filtered.omissions, ...omissions],
    ...(plan === undefined ? {} : { plan }),
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

/** Returns the names that the copy writes, with their states. The tag or digest of the target itself is first. */
async function targetNames(
  { store, job: { to, tag, tags }, lookup, further }: CopyReading,
  digest: Digest,
  options: CopyOptions,
): Promise<readonly [TargetName, ...TargetName[]]> {
  const looking = lookup ?? (options.force === true ? undefined : lookUp(store, digest, options));
  const [state, ...states] = await Promise.all([looking, ...further]);
  const name = tag ?? digest;
  const others = tags.map((other, at) => ({ name: other, reference: targetText(to, other), state: states[at] }));
  return [{ name, reference: targetText(to, name), state }, ...others];
}

function unchanged({ from, to, tag, tags }: CopyJob, descriptor: Descriptor, { targets }: CopyOptions): Copied {
  const { digest } = descriptor;
  const outcomeOf = (name: string): CopiedTag => ({
    reference: targetText(to, name),
    status: 'unchanged',
    before: digest,
  });
  const { reference: target, ...outcome } = outcomeOf(tag ?? digest);
  const further = tags.map(outcomeOf);
  for (const reference of [target, ...further.map((other) => other.reference)])
    logTarget(targets, { reference, status: 'unchanged', digest });
  return {
    source: formatLocation(from),
    target,
    ...outcome,
    ...(further.length === 0 ? {} : { tags: further }),
    descriptor,
    moved: noTransfers,
    left: [],
  };
}

async function runTransfer(
  transfer: CopyTransfer,
  options: CopyOptions,
): Promise<Transferred & { readonly moved: TransferCounts; readonly plan?: Plan }> {
  const { dryRun = false, plans = false, onEvent } = options;
  if (dryRun) return { omissions: [], ...(plans ? await planCopy(transfer, options) : {}), moved: noTransfers };
  const count = new TransferCounter(onEvent);
  const result = await transferCopy(transfer, { ...options, onEvent: count.onEvent });
  for (const omission of result.omissions) onEvent?.({ type: 'left', ...omission });
  return { ...result, moved: count.moved };
}

/**
 * Whether the source refers to the content that the target already has. The tag of the source is resolved without
 * fetching the manifest, because registries count a fetch against rate limits, and caches may return an old manifest. A
 * source with a digest needs no request.
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
    onEvent?.({ type: 'note', message: `the engine stores the image ${filtered}, but not its list ${original}` });
    return;
  }
  onEvent?.({
    type: 'note',
    message: `the filtered list has a new digest: ${original} -> ${filtered}; signatures of the original list do not apply to it`,
  });
}
