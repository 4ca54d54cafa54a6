import { errorCode } from '../../errors/errors.ts';
import type { CompositeStore, ManifestContent, ContentOptions, LocalStore, ReadStore } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isIndexType, isServedAsManifest } from '../../oci/media-type.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { childrenOfManifest, isForeignLayer, MAX_DEPTH, readGraph, type ManifestNode } from '../../transfer/graph.ts';
import type { MissingChoice } from './fill.ts';
import { MissingContent, type MissingEntries, type MissingState } from '../../transfer/missing-content.ts';

/** This file finds content that an index lists but its location does not have, with as few reads as possible. */

export interface FindingOptions extends ContentOptions {
  readonly store: ReadStore;
  /** How missing content is handled. Default: `refuse`. */
  readonly missing?: MissingChoice | undefined;
}

/**
 * Returns the entries of an index that are missing or incomplete in its location. A registry is queried only with
 * `skip` or `fill`. Otherwise, missing images are found when they are read, without further requests.
 */
export async function findMissing(
  entriesOf: () => readonly Descriptor[],
  options: FindingOptions,
): Promise<MissingEntries> {
  const { store, missing } = options;
  if (!isLocal(store) && !isComposite(store) && missing !== 'skip') return new Map();
  const entries = entriesOf();
  const states = await Promise.all(entries.map((entry) => stateOf(entry, options)));
  return new Map(
    entries.flatMap(({ digest }, at) => {
      const state = states[at];
      return state === undefined ? [] : [[digest, state] as const];
    }),
  );
}

/**
 * Returns `absent` if the content is missing from the store, `incomplete` if content below it is missing, and otherwise
 * undefined. A registry that has a manifest is assumed to have its blobs.
 */
export async function stateOf(
  entry: Descriptor,
  options: FindingOptions,
  depth = 0,
): Promise<MissingState | undefined> {
  const { store, signal } = options;
  if (isLocal(store) || isComposite(store)) {
    const [part] = await missingParts(store, entry, { signal });
    return part === undefined ? undefined : part === entry.digest ? 'absent' : 'incomplete';
  }
  if (isIndexType(entry.mediaType) && depth < MAX_DEPTH) {
    const index = await ignoreNotFound(store.fetchManifest(entry.digest, { expected: entry, signal }));
    return index === undefined ? 'absent' : stateBelow(index, options, depth);
  }
  const isManifest = async () => (await store.hasManifest?.(entry.digest, { signal })) !== false;
  const isBlob = async () =>
    store.statedSize !== undefined && (await store.statedSize(entry, { signal })) !== undefined;
  const [first, second] = isServedAsManifest(entry.mediaType) ? [isManifest, isBlob] : [isBlob, isManifest];
  return (await first()) || (await second()) ? undefined : 'absent';
}

async function stateBelow(
  index: ManifestContent,
  options: FindingOptions,
  depth: number,
): Promise<MissingState | undefined> {
  const { manifests } = childrenOfManifest(index, options.store);
  const states = await Promise.all(manifests.map((entry) => stateOf(entry, options, depth + 1)));
  return states.every((state) => state === undefined) ? undefined : 'incomplete';
}

/**
 * Returns the digests of content that a layout, archive or composite store does not have: the given content, or content
 * below it. Returns an empty array for a registry, without querying it. Content that exists but cannot be read is not
 * included, because reading it fails later.
 */
export async function missingParts(
  store: ReadStore,
  descriptor: Descriptor,
  options: ContentOptions,
): Promise<readonly Digest[]> {
  if (isComposite(store)) return (await survey(store, descriptor, options)).lacking;
  if (!isLocal(store)) return [];
  const { digest, mediaType } = descriptor;
  try {
    if ((await store.storedSize(digest)) === undefined) return [digest];
    if (!isServedAsManifest(mediaType)) return [];
    const blobs = blobsBelow(await readGraph(store, descriptor, options));
    const sizes = await Promise.all(blobs.map((blob) => store.storedSize(blob)));
    return blobs.filter((_, at) => sizes[at] === undefined);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (thrown instanceof MissingContent) return [...thrown.missing.keys()];
    return errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? [digest] : [];
  }
}

/** The result of a search in several stores for a manifest or blob and everything below it. */
export interface Survey {
  /** The digests of this content that no store has; empty if the content is complete. */
  readonly lacking: readonly Digest[];
  /** The stores that have a part of the content. */
  readonly holders: ReadonlySet<ReadStore>;
}

/**
 * Determines which stores have the given content and the content below it. A registry that has a manifest is assumed to
 * have the content that the manifest refers to. Content that exists but cannot be read is not reported as lacking,
 * because reading it fails later.
 */
export async function survey(
  store: ReadStore & CompositeStore,
  content: Descriptor,
  options: ContentOptions,
  depth = 0,
): Promise<Survey> {
  const { digest, mediaType } = content;
  const holder = await store.holderOf(content, options);
  if (holder === undefined) return { lacking: [digest], holders: new Set() };
  const own: Survey = { lacking: [], holders: new Set([holder]) };
  if (!isLocal(holder) || !isServedAsManifest(mediaType) || depth >= MAX_DEPTH) return own;
  try {
    const { manifests, blobs } = childrenOfManifest(
      await store.fetchManifest(digest, { ...options, expected: content }),
      store,
    );
    const stored = blobs.filter((blob) => !isForeignLayer(blob));
    const holders = await store.blobHolders(stored, holder, options);
    const below = await Promise.all(manifests.map((entry) => survey(store, entry, options, depth + 1)));
    const lacking = stored.filter((blob) => !holders.has(blob.digest)).map((blob) => blob.digest);
    return {
      lacking: [...lacking, ...below.flatMap((each) => each.lacking)],
      holders: new Set([holder, ...holders.values(), ...below.flatMap((each) => [...each.holders])]),
    };
  } catch (thrown) {
    options.signal?.throwIfAborted();
    return errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? { ...own, lacking: [digest] } : own;
  }
}

export function isComposite(store: ReadStore): store is ReadStore & CompositeStore {
  return store.holderOf !== undefined;
}

function isLocal(store: ReadStore): store is ReadStore & LocalStore {
  return store.storedSize !== undefined;
}

function blobsBelow({ blobs, children }: ManifestNode): readonly Digest[] {
  return [...blobs.map(({ digest }) => digest), ...children.flatMap(blobsBelow)];
}
