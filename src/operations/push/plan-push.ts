import { settle } from '../../async/settle.ts';
import type { Draft, Entry } from '../../draft/draft.ts';
import { contentOfList } from '../../draft/to-list.ts';
import { asMlistError, errorCode } from '../../errors/errors.ts';
import { minimalDescriptor } from '../../oci/descriptor.ts';
import { digestsIn, type Digest } from '../../oci/digest.ts';
import { isManifestType, isServedAsManifest } from '../../oci/media-type.ts';
import type { ContentOptions, ReadStore, Store } from '../../store/store.ts';
import { graphOfManifest, readGraph, subjectOf, type ManifestNode } from '../../transfer/graph.ts';
import { planTransfer, type ListedBlob, type Plan } from '../../transfer/plan.ts';
import { entrySource } from '../publish/fill.ts';
import { existingLargeBlobs } from '../publish/large-blobs.ts';
import { entryGone, MissingEntriesError, requireAll } from '../publish/missing-entries.ts';
import type { MovingTag } from '../publish/tag-moves.ts';
import { ignoreRefusedRead } from '../publish/tag-state.ts';
import { isStoredIn } from '../publish/target.ts';
import type { OpenPushJob, PushDraftOptions, PushJob } from './push-options.ts';
import { estimateRequests, type RegistryRequests } from './request-estimate.ts';

/** What is known before a push is planned: the tags of the target, cached images, and content that was already sent. */
export interface KnownContent {
  /** The tags of the target, with their states if they were read. */
  readonly tags?: readonly MovingTag[] | undefined;
  /** Images that `readCachedImages` has read. */
  readonly cached?: CachedImages | undefined;
  /** The digests of content that was already sent to the target, and is not sent again. */
  readonly sent?: ReadonlySet<Digest> | undefined;
}

/** Images, keyed by digest. The promise resolves to undefined if the image is not in the cache. */
export type CachedImages = ReadonlyMap<Digest, Promise<ManifestNode | undefined>>;

/** The plan of a push to one target. */
export interface PushPlan {
  readonly draft: Draft;
  readonly plan: Plan;
  /** Children that the target no longer has. Their manifests are sent again from the cache. */
  readonly resent: readonly Entry[];
  /** The estimated requests of the push to each registry; empty unless this is a dry run. */
  readonly requests: readonly RegistryRequests[];
  /** Whether the plan relies on content that the target has, or is assumed to have. */
  readonly hasKnown: boolean;
  /**
   * Plans the push again after the target has lost content. Every child is checked, and content that was already sent
   * is not sent again.
   */
  readonly repair: (sent: ReadonlySet<Digest>) => Promise<PushPlan>;
}

/** Content that the target may lack: a manifest with everything below it, or a blob that is an entry of the list. */
type Needed = ManifestNode | ListedBlob;

/**
 * The digests in the cached lists that the tags of the target refer to. The value states whether the list was read or
 * pushed recently enough to trust that the target has the content.
 */
type PublishedDigests = ReadonlyMap<string, boolean>;

/** The input of planning: the job, the known content, and the options of the push. */
interface Planning {
  readonly job: OpenPushJob;
  readonly known: KnownContent;
  readonly published: PublishedDigests;
  readonly options: PushDraftOptions;
}

/**
 * Content that was seen in the registry more than this number of milliseconds ago is looked up again, because garbage
 * collection may have removed it.
 */
const TRUSTED_MS = 10 * 60 * 1000;

/**
 * Determines the content that one target lacks, and plans the order in which it is sent.
 * @throws MlistError with the errors of all children that cannot be read; `ERR_MLIST_NOT_FOUND` if a source no longer
 * has a child
 */
export async function planPush(job: OpenPushJob, known: KnownContent, options: PushDraftOptions): Promise<PushPlan> {
  const { draft, encoded, target, store } = job;
  const { tags = [], sent } = known;
  const planning = { job, known, published: await publishedDigests(tags, options), options };
  const settled = await settle(draft.entries.map((entry) => neededOf(entry, planning)));
  options.signal?.throwIfAborted();
  const needed = requireAll(draft, settled, options.afterMissing);
  const isPresent = (_: Entry, at: number): boolean => needed[at] === undefined;
  const present = draft.entries.filter(isPresent).map(minimalDescriptor);
  const resent = draft.entries.filter((entry, at) => !isPresent(entry, at) && isStoredIn(entry, target));
  const nodes = needed.filter((content) => content !== undefined && 'content' in content);
  const listed = needed.filter((content) => content !== undefined && 'blob' in content);
  const isLookedUp = target.location.kind === 'registry' && options.force !== true;
  const largeBlobs = isLookedUp ? await existingLargeBlobs(store, nodes, options) : [];
  const existing = options.dryRun === true ? [...present, ...largeBlobs] : largeBlobs;
  const root = {
    content: contentOfList(encoded),
    names: target.tags,
    ifMatch: new Map(tags.flatMap(({ tag, expected }) => (expected === undefined ? [] : [[tag, expected] as const]))),
  };
  const plan = planTransfer(store, nodes, root, { existing, listed, present: sent });
  return {
    draft,
    plan,
    requests: options.dryRun === true ? estimateRequests(plan, await countReads(planning)) : [],
    resent,
    hasKnown: present.length + largeBlobs.length > 0,
    repair: (sentSince) => planPush(job, { ...known, sent: sentSince }, { ...options, force: true }),
  };
}

/**
 * Returns the digests in the lists to which the tags of a target refer, if these lists are cached. A digest maps to
 * true if its list was read or pushed so recently that the target is trusted to have the digest.
 */
async function publishedDigests(
  tags: readonly MovingTag[],
  { stores: { cache } }: PushDraftOptions,
): Promise<PublishedDigests> {
  const lists = tags.flatMap(({ before }) => (before === undefined || before === 'absent' ? [] : [before]));
  const found = await Promise.all(
    lists.map(async (digest) => ({ bytes: await cache.get(digest), age: await cache.age(digest) })),
  );
  return new Map(
    found.flatMap(({ bytes, age = Infinity }) => {
      const listed = bytes === undefined ? [] : [...digestsIn(bytes)];
      return listed.map((digest) => [digest, age <= TRUSTED_MS] as const);
    }),
  );
}

/**
 * Starts to read images of other stores from the cache, while the tags of the target are read. Errors are ignored: if
 * an image is needed, planning reads it again and reports the error.
 */
export function readCachedImages({ draft, target }: PushJob, { stores }: PushDraftOptions): CachedImages {
  const images = draft.entries.filter((entry) => isManifestType(entry.mediaType) && !isStoredIn(entry, target));
  const read = async (entry: Entry): Promise<ManifestNode | undefined> => {
    const bytes = await stores.cache.get(entry.digest);
    if (bytes?.length !== entry.size) return undefined;
    return graphOfManifest(await entrySource(entry, { stores }), { descriptor: minimalDescriptor(entry), bytes });
  };
  return new Map(images.map((entry) => [entry.digest, read(entry).catch(() => undefined)]));
}

/** Returns the content to send for an entry, or undefined if the target has, or is assumed to have, the entry. */
async function neededOf(entry: Entry, planning: Planning): Promise<Needed | undefined> {
  const { job, known, options } = planning;
  const { draft, target, store } = job;
  const { cache } = options.stores;
  if (known.sent?.has(entry.digest) === true) return undefined;
  if (!isStoredIn(entry, target)) {
    if (await isInTarget(entry, planning)) return undefined;
    return (await known.cached?.get(entry.digest)) ?? fromSource(entry, draft, options);
  }
  const isRegistry = target.location.kind === 'registry';
  if (isRegistry && options.dryRun !== true && !(await isDoubtful(entry, options))) return undefined;
  const looking = hasEntry(store, entry, options);
  // If a registry refuses the read, it is assumed to have the entry, because the entry was read from it.
  if ((await (isRegistry ? ignoreRefusedRead(looking, options) : looking)) !== false) return undefined;
  const bytes = isServedAsManifest(entry.mediaType) ? await cache.get(entry.digest) : undefined;
  if (bytes === undefined) throw new MissingEntriesError([entry], entryGone(entry, draft));
  const content = { descriptor: minimalDescriptor(entry), bytes };
  return { content, source: store, blobs: [], foreign: [], children: [], subject: subjectOf(bytes) };
}

/** Whether a store has an entry. An entry of an unknown type is looked up as a blob, then as a manifest. */
async function hasEntry(store: Store, entry: Entry, { signal }: ContentOptions): Promise<boolean> {
  const isBlob = !isServedAsManifest(entry.mediaType) && (await store.hasBlob(minimalDescriptor(entry), { signal }));
  return isBlob || store.hasManifest(entry.digest, { signal });
}

/**
 * Whether the target has, or is assumed to have, an entry that was read from another store. Entries of a list that was
 * read or pushed recently are assumed to exist at the target. Entries of an older list, and images that cannot be
 * mounted, are looked up there, because one request is cheaper than sending all layers.
 */
async function isInTarget(entry: Entry, { job, published, options }: Planning): Promise<boolean> {
  const { draft, target, store } = job;
  const { force = false, dryRun = false, signal } = options;
  if (force || target.location.kind !== 'registry') return false;
  const isTrusted = published.get(entry.digest);
  if (isTrusted === true && !dryRun) return true;
  const source = await sourceOf(entry, draft, options);
  if (store.canMountFrom?.(source) === true && isTrusted === undefined) return false;
  return (await ignoreRefusedRead(hasEntry(store, entry, { signal }), { signal })) === true;
}

/**
 * Returns the number of entries that the push will look up at the target, plus the number of lists that it will read
 * there. A dry run looks up more.
 */
async function countReads(planning: Planning): Promise<number> {
  const { job, known, options } = planning;
  const { cache } = options.stores;
  const replaced = new Set(known.tags?.flatMap(({ before = 'absent' }) => (before === 'absent' ? [] : [before])));
  const cached = await Promise.all([...replaced].map((digest) => cache.get(digest)));
  const lookups = await Promise.all(job.draft.entries.map((entry) => isLookedUpByPush(entry, planning)));
  return lookups.filter(Boolean).length + cached.filter((bytes) => bytes === undefined).length;
}

async function isLookedUpByPush(entry: Entry, { job, published, options }: Planning): Promise<boolean> {
  const { draft, target, store } = job;
  if (target.location.kind !== 'registry') return false;
  if (isStoredIn(entry, target)) return isDoubtful(entry, options);
  const isTrusted = published.get(entry.digest);
  if (options.force === true || isTrusted === true) return false;
  return isTrusted !== undefined || store.canMountFrom?.(await sourceOf(entry, draft, options)) !== true;
}

async function fromSource(entry: Entry, draft: Draft, options: PushDraftOptions): Promise<Needed> {
  const { stores, signal } = options;
  const source = await sourceOf(entry, draft, options);
  if (!isServedAsManifest(entry.mediaType)) {
    const blob = minimalDescriptor(entry);
    return { blob, source: (await source.holderOf?.(blob, { signal })) ?? source };
  }
  try {
    return await readGraph(source, entry, { cached: (digest) => stores.cache.get(digest), signal });
  } catch (thrown) {
    if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    throw new MissingEntriesError([entry], entryGone(entry, draft, asMlistError(thrown)));
  }
}

/** Opens the source of an entry. If the source does not exist, the error names the entry. */
async function sourceOf(entry: Entry, draft: Draft, options: PushDraftOptions): Promise<ReadStore> {
  return entrySource(entry, options).catch((thrown: unknown) => {
    throw errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? entryGone(entry, draft, asMlistError(thrown)) : thrown;
  });
}

/** Whether the target may have lost an entry since the entry was read. */
async function isDoubtful(entry: Entry, { stores, force = false }: PushDraftOptions): Promise<boolean> {
  if (force) return true;
  const age = await stores.cache.age(entry.via ?? entry.digest);
  return age === undefined || age > TRUSTED_MS;
}
