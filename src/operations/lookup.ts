import { MlistError } from '../errors/errors.ts';
import type { BlobCache } from '../store/cache.ts';
import { descriptorOf, isAttestationEntry, type Draft } from '../draft/draft.ts';
import type { EncodedList } from '../draft/to-list.ts';
import { formatProblems, otherFormatHint } from '../draft/draft-rules.ts';
import {
  entriesNamed,
  matchesPlatform,
  isPrefixOf,
  platformNotFoundText,
  entryNotFound,
  digestTooShort,
} from '../draft/entry-selection.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import type { ManifestContent } from '../store/store.ts';
import { minimalDescriptor, isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { formatLocation, parseLocation, type Location } from '../oci/location.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';
import { isIndexType, isServedAsManifest } from '../oci/media-type.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';
import { formatReference, withDefaultTag } from '../oci/reference.ts';
import { readIndex } from '../schema/documents.ts';
import { refusal } from '../schema/problems.ts';
import { chosenList } from './current-draft.ts';
import type { Stores } from '../store/open.ts';
import { listBytes } from './list-bytes.ts';
import { waitForSource, type SourceWaitOptions } from './source-wait.ts';

/** Reads what a command shows: the draft of that name, or else the content of the location. */
export interface ReadOptions extends Omit<SourceWaitOptions, 'stores'> {
  /** Where drafts are looked up. Default: names are never drafts. */
  readonly workspace?: Workspace | undefined;
  readonly cache: BlobCache;
  /** Opened only where something must be fetched. */
  readonly stores: () => Stores | Promise<Stores>;
}

/** What was found under a name, and where. */
export type LookupResult =
  | { readonly from: 'draft'; readonly reference: string; readonly draft: Draft; readonly list: EncodedList }
  | {
      readonly from: Location['kind'];
      readonly reference: string;
      readonly location: Location;
      readonly content: ManifestContent;
    };

/** What was found elsewhere than in the workspace. */
type FoundElsewhere = Exclude<LookupResult, { from: 'draft' }>;

/** @param name - as typed; undefined is the current draft */
export async function lookup(name: string | undefined, options: ReadOptions): Promise<LookupResult> {
  const found = await lookupDraft(name, options);
  if (found !== undefined) return told(found, options);
  const location = parseLocation(name ?? '');
  const { signal } = options;
  const stores = await options.stores();
  const { store, name: named } = await stores.resolveLocation(location, { signal });
  const content = await waitForSource(() => store.fetchManifest(named, { signal }), { ...options, stores });
  return told({ from: location.kind, reference: formatLocation(location), location, content }, options);
}

function told(found: LookupResult, { onEvent }: ReadOptions): LookupResult {
  onEvent?.({ type: 'from', from: found.from, reference: found.reference });
  return found;
}

/** The draft of that name; undefined where there is none, or where the name can only be something else. */
export async function lookupDraft(
  name: string | undefined,
  options: ReadOptions,
): Promise<Extract<LookupResult, { from: 'draft' }> | undefined> {
  const { workspace } = options;
  if (workspace === undefined) return undefined;
  const list = await draftName(name, workspace);
  if (list === undefined) return undefined;
  const draft = name === undefined ? await workspace.load(list) : await workspace.find(list);
  return draft && { from: 'draft', reference: list, draft, list: await listBytes(draft, options) };
}

/** The list that a name would be as a draft. */
export async function draftName(name: string | undefined, workspace: Workspace): Promise<string | undefined> {
  if (name === undefined) return chosenList(workspace, undefined);
  const location = parseLocation(name);
  if (location.kind !== 'registry' || location.explicit || location.reference.digest !== undefined) return undefined;
  return formatReference(withDefaultTag(location.reference));
}

/**
 * The exact bytes of what was found, with its type, digest and size; of a draft those that are pushed.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` for a draft that its format cannot hold: there are no such bytes
 */
export function contentOf(found: LookupResult): ManifestContent {
  if (found.from !== 'draft') return found.content;
  const problems = formatProblems(found.draft);
  if (problems.length === 0) return encodedContentOf(found);
  const { message, facts } = refusal(`the draft ${found.reference}`, problems);
  throw new MlistError('ERR_MLIST_LIST_INVALID', message, {
    ...facts,
    reference: found.reference,
    hint: otherFormatHint(found.draft),
  });
}

/** The same, whatever is left out of a draft by its format: to be looked at. */
export function encodedContentOf(found: LookupResult): ManifestContent {
  if (found.from !== 'draft') return found.content;
  const { mediaType, digest, bytes } = found.list;
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** What of a list is meant: one manifest of it. */
export interface ChildChoice {
  readonly manifest?: string | undefined;
  readonly platform?: Platform | undefined;
}

/** A manifest in a list, with the place that it can be read from. */
export interface Child {
  readonly source: string;
  readonly descriptor: Descriptor;
}

/** The manifests of a list that a choice means; all where nothing is chosen. */
export function childrenOf(found: LookupResult, { manifest, platform }: ChildChoice): readonly Child[] {
  const all = found.from === 'draft' ? draftChildren(found.draft, manifest) : remoteChildren(found, manifest);
  const chosen =
    platform === undefined
      ? all
      : all.filter(({ descriptor }) => !isAttestation(descriptor) && matchesPlatform(descriptor.platform, platform));
  if (chosen.length > 0 || (manifest === undefined && platform === undefined)) return chosen;
  const platforms = all.flatMap(({ descriptor }) => (isAttestation(descriptor) ? [] : (descriptor.platform ?? [])));
  const wanted = [manifest, platform && `for ${platformNotFoundText(platform, platforms)}`].filter(Boolean).join(' ');
  const there = platforms.map((one) => formatPlatform(one, { all: true })).join(', ');
  throw new MlistError(
    'ERR_MLIST_ENTRY_NOT_FOUND',
    `${found.reference} has no entry ${wanted}${digestTooShort(wanted)}`,
    {
      reference: found.reference,
      hint: there === '' ? undefined : `There are: ${there}.`,
    },
  );
}

function draftChildren(draft: Draft, manifest: string | undefined): readonly Child[] {
  const entries = manifest === undefined ? draft.entries : entriesNamed(draft, manifest);
  if (manifest !== undefined && entries.length === 0) throw entryNotFound(draft, manifest);
  const images = entries.filter((entry) => manifest === undefined || !isAttestationEntry(entry));
  return (images.length > 0 ? images : entries).map((entry) => ({
    source: entry.source,
    descriptor: descriptorOf(entry),
  }));
}

function remoteChildren(found: FoundElsewhere, manifest: string | undefined): readonly Child[] {
  const { reference, content } = found;
  if (!isIndexType(content.descriptor.mediaType)) {
    throw new MlistError('ERR_MLIST_ENTRY_NOT_FOUND', `${reference} is a single image, not a list`, { reference });
  }
  const { manifests } = readIndex(content.bytes, content.descriptor.mediaType, reference);
  const digest = manifest?.slice(manifest.lastIndexOf('@') + 1) ?? '';
  return manifests
    .filter((descriptor) => manifest === undefined || isPrefixOf(digest, descriptor.digest))
    .map((descriptor) => ({ source: reference, descriptor }));
}

/** Reads one manifest of a list: what was kept of it, else where it lies. */
export async function readChild(
  { source, descriptor }: Child,
  { cache, stores, signal }: ReadOptions,
): Promise<ManifestContent> {
  const known = await cache.get(descriptor.digest);
  if (known !== undefined) return { descriptor: minimalDescriptor(descriptor), bytes: known };
  const store = await (await stores()).source(parseLocation(source), { signal });
  const isBlob = !isServedAsManifest(descriptor.mediaType) && descriptor.size <= MAX_DOCUMENT_BYTES;
  const blob = isBlob ? await ignoreNotFound(store.fetchBlob(descriptor, { signal })) : undefined;
  if (blob !== undefined) return { descriptor: minimalDescriptor(descriptor), bytes: blob };
  return store.fetchManifest(descriptor.digest, { expected: descriptor, signal });
}
