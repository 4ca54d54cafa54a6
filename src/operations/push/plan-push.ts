import { settle } from '../../async/settle.ts';
import { asMlistError, errorCode } from '../../errors/errors.ts';
import type { Draft, Entry } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import { minimalDescriptor } from '../../oci/descriptor.ts';
import type { ContentOptions, Store } from '../../store/store.ts';
import { digestsIn, type Digest } from '../../oci/digest.ts';
import { sameStore } from '../../oci/location.ts';
import { isManifestType, isServedAsManifest } from '../../oci/media-type.ts';
import { graphOfManifest, readGraph, subjectOf, type ManifestNode } from '../../transfer/graph.ts';
import { planTransfer, type ListedBlob, type Plan } from '../../transfer/plan.ts';
import { entryGone, MissingEntries, requireAll } from '../publish/missing-entries.ts';
import type { Stores } from '../../store/open.ts';
import { existingLargeBlobs } from '../publish/large-blobs.ts';
import { ignoreRefusedRead } from '../publish/tag-state.ts';
import type { TargetRepository } from '../publish/target.ts';

export interface PlanOptions {
  readonly stores: Stores;
  /** Ask the target for every child that it has according to the draft, whatever else is known. */
  readonly force?: boolean | undefined;
  /** Ask the target also for entries that a push assumes to be there: for a plan that is shown, not run. */
  readonly survey?: boolean | undefined;
  /** What `publishedIn` has found in the lists that the tags have now. */
  readonly published?: ReadonlyMap<string, boolean> | undefined;
  /** What a tag must have to be moved, for each tag of which that is known. */
  readonly ifMatch?: ReadonlyMap<string, Digest | 'absent'> | undefined;
  /** The hint for missing images if there is no draft that can be edited. */
  readonly missingHint?: string | undefined;
  /** What this command has sent already: it is not sent again. */
  readonly sent?: ReadonlySet<Digest> | undefined;
  /** What `readAhead` has read. */
  readonly ahead?: ReadAhead | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the target may lack: a manifest with everything below it, or a blob that the list names. */
type Needed = ManifestNode | ListedBlob;

/** Images by their digest; undefined where they are not at hand. */
export type ReadAhead = ReadonlyMap<Digest, Promise<ManifestNode | undefined>>;

/** What was read longer ago may have been removed since by a registry's clean-up. */
const TRUSTED_MS = 10 * 60 * 1000;

/** Whether an entry's manifest lies in the target by what the draft says. */
export function isStoredIn(entry: Entry, { location }: TargetRepository): boolean {
  return sameStore(entry.source, location);
}

/** What is pushed, and where to. */
export interface PushPlanning {
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly target: TargetRepository;
  /** The target, opened for writing. */
  readonly store: Store;
}

export interface PushPlan {
  readonly plan: Plan;
  /** Children that the target had and has lost: their cached copies are sent again. */
  readonly resent: readonly Entry[];
  /** Whether the target was known or found to have a part of what it needs. */
  readonly hasKnown: boolean;
  /** The draft that is pushed. */
  readonly draft: Draft;
}

/**
 * Finds out what one target lacks, and in which order it is to get it.
 * @throws MlistError for all children that cannot be had, `ERR_MLIST_NOT_FOUND` where they are gone
 */
export async function planPush(planning: PushPlanning, options: PlanOptions): Promise<PushPlan> {
  const { draft, encoded: list, target, store } = planning;
  const settled = await settle(draft.entries.map((entry) => neededOf(entry, planning, options)));
  options.signal?.throwIfAborted();
  const needed = requireAll(draft, settled, options.missingHint);
  const isThere = (_: Entry, at: number): boolean => needed[at] === undefined;
  const present = draft.entries.filter(isThere).map(minimalDescriptor);
  const resent = draft.entries.filter((entry, at) => !isThere(entry, at) && isStoredIn(entry, target));
  const nodes = needed.filter((one) => one !== undefined && 'content' in one);
  const listed = needed.filter((one) => one !== undefined && 'blob' in one);
  const isAsked = target.location.kind === 'registry' && options.force !== true;
  const largeBlobs = isAsked ? await existingLargeBlobs(store, nodes, options) : [];
  const there = options.survey === true ? [...present, ...largeBlobs] : largeBlobs;
  const descriptor = { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length };
  const root = { content: { descriptor, bytes: list.bytes }, names: target.tags, ifMatch: options.ifMatch };
  const plan = planTransfer(store, nodes, root, { there, listed, present: options.sent });
  return { plan, resent, hasKnown: present.length + largeBlobs.length > 0, draft };
}

/**
 * The digests in the lists that tags of a repository have, if these lists are in the cache. True if the repository is
 * trusted to have them: its lists were read or pushed a short while ago.
 */
export async function publishedIn(
  lists: readonly (Digest | 'absent' | undefined)[],
  { cache }: Stores,
): Promise<ReadonlyMap<string, boolean>> {
  const digests = lists.filter((list): list is Digest => list !== undefined && list !== 'absent');
  const found = await Promise.all(
    digests.map(async (digest) => ({ bytes: await cache.get(digest), age: await cache.age(digest) })),
  );
  return new Map(
    found.flatMap(({ bytes, age = Infinity }) => {
      const listed = bytes === undefined ? [] : [...digestsIn(bytes)];
      return listed.map((digest) => [digest, age <= TRUSTED_MS] as const);
    }),
  );
}

/**
 * Reads what lies in the cache of images from elsewhere, while a registry is still being asked whether they are needed.
 * What cannot be read is nothing here: it is read again, and told of, where it is needed.
 */
export function readAhead(
  { draft, target }: Pick<PushPlanning, 'draft' | 'target'>,
  { stores }: PlanOptions,
): ReadAhead {
  const images = draft.entries.filter((entry) => isManifestType(entry.mediaType) && !isStoredIn(entry, target));
  const read = async (entry: Entry): Promise<ManifestNode | undefined> => {
    const bytes = await stores.cache.get(entry.digest);
    if (bytes?.length !== entry.size) return undefined;
    return graphOfManifest(await stores.source(entry.source), { descriptor: minimalDescriptor(entry), bytes });
  };
  return new Map(images.map((entry) => [entry.digest, read(entry).catch(() => undefined)]));
}

/** The content of an entry that the target may lack; undefined if it has the entry. */
async function neededOf(entry: Entry, planning: PushPlanning, options: PlanOptions): Promise<Needed | undefined> {
  const { target, store } = planning;
  const { stores, ahead, sent, survey = false } = options;
  if (sent?.has(entry.digest) === true) return undefined;
  if (!isStoredIn(entry, target)) {
    if (await isThereAlready(entry, planning, options)) return undefined;
    return (await ahead?.get(entry.digest)) ?? fromElsewhere(entry, planning, options);
  }
  const isNear = target.location.kind !== 'registry';
  if (!isNear && !survey && !(await isDoubtful(entry, options))) return undefined;
  const asking = hasEntry(store, entry, options);
  // A registry that refuses to answer is assumed to have it, as the draft says.
  if ((await (isNear ? asking : ignoreRefusedRead(asking, options))) !== false) return undefined;
  const bytes = isServedAsManifest(entry.mediaType) ? await stores.cache.get(entry.digest) : undefined;
  if (bytes === undefined) throw new MissingEntries([entry], entryGone(entry, planning.draft));
  const content = { descriptor: minimalDescriptor(entry), bytes };
  return { content, source: store, blobs: [], foreign: [], children: [], subject: subjectOf(bytes) };
}

/** An entry of an unknown type is looked up as a blob, then as a manifest. */
async function hasEntry(store: Store, entry: Entry, { signal }: ContentOptions): Promise<boolean> {
  const isBlob = !isServedAsManifest(entry.mediaType) && (await store.hasBlob(minimalDescriptor(entry), { signal }));
  return isBlob || store.hasManifest(entry.digest, { signal });
}

/**
 * Whether the target has an entry of another store. It is trusted to have the entries of a list that was pushed a short
 * while ago. It is asked for those of an older list, and for images that cannot be mounted, since one request is cheaper
 * than sending all layers.
 */
async function isThereAlready(
  entry: Entry,
  { draft, target, store }: PushPlanning,
  { stores, signal, force = false, survey = false, published }: PlanOptions,
): Promise<boolean> {
  if (force || target.location.kind !== 'registry') return false;
  const isTrusted = published?.get(entry.digest);
  if (isTrusted === true && !survey) return true;
  const from = await stores.source(entry.source, { signal }).catch((thrown: unknown) => {
    throw withEntry(entry, draft, thrown);
  });
  if (store.canMountFrom?.(from) === true && isTrusted === undefined) return false;
  return (await ignoreRefusedRead(hasEntry(store, entry, { signal }), { signal })) === true;
}

async function fromElsewhere(entry: Entry, { draft }: PushPlanning, { stores, signal }: PlanOptions): Promise<Needed> {
  const source = await stores.source(entry.source, { signal }).catch((thrown: unknown) => {
    throw withEntry(entry, draft, thrown);
  });
  if (!isServedAsManifest(entry.mediaType)) return { blob: minimalDescriptor(entry), source };
  try {
    return await readGraph(source, entry, { cached: (digest) => stores.cache.get(digest), signal });
  } catch (thrown) {
    if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    throw new MissingEntries([entry], entryGone(entry, draft, asMlistError(thrown)));
  }
}

/** Reports a missing source as the entry that needs it. */
function withEntry(entry: Entry, draft: Draft, thrown: unknown): unknown {
  return errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? entryGone(entry, draft, asMlistError(thrown)) : thrown;
}

async function isDoubtful(entry: Entry, { stores, force = false }: PlanOptions): Promise<boolean> {
  if (force) return true;
  const age = await stores.cache.age(entry.via ?? entry.digest);
  return age === undefined || age > TRUSTED_MS;
}
