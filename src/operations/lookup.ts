import { MlistError } from '../errors/errors.ts';
import type { BlobCache } from '../store/cache.ts';
import {
  contentSource,
  descriptorOf,
  isAttestationEntry,
  isUnpushed,
  listName,
  sourceName,
  type Draft,
} from '../draft/draft.ts';
import { contentOfList, type EncodedList } from '../draft/to-list.ts';
import { convertToOci, formatProblems } from '../draft/draft-rules.ts';
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
import type { Platform } from '../oci/platform/platform.ts';
import type { Reference } from '../oci/reference.ts';
import { readIndex } from '../schema/documents.ts';
import { refusal } from '../schema/problems.ts';
import { currentList } from './current-draft.ts';
import type { Stores } from '../store/open.ts';
import { listBytes } from './list-bytes.ts';
import { availableHint } from './require-platforms.ts';
import { waitForSource, type SourceWaitOptions } from './source-wait.ts';

/** Options for reading the content that a list refers to. */
export interface ContentAccess {
  readonly cache: BlobCache;
  /** Opens the stores. Called only if content must be fetched. */
  readonly stores: () => SourceOpener | Promise<SourceOpener>;
  readonly signal?: AbortSignal | undefined;
}

export type SourceOpener = Pick<Stores, 'source'>;

/** Options for looking up a draft, or else the content at a location. */
export interface ReadOptions extends Omit<SourceWaitOptions, 'stores'> {
  /** The workspace in which drafts are looked up. Default: drafts are not looked up. */
  readonly workspace?: Workspace | undefined;
  readonly cache: BlobCache;
  /** Opens the stores. Called only if content must be fetched. */
  readonly stores: () => Stores | Promise<Stores>;
  /**
   * Accept drafts with images that have no manifest yet. The pushed list then has other bytes than the result, because
   * the push generates the manifests. Default false.
   */
  readonly allowsUnpushed?: boolean | undefined;
}

/** The draft or the content that a name refers to. */
export type LookupResult =
  | { readonly from: 'draft'; readonly reference: string; readonly draft: Draft; readonly list: EncodedList }
  | {
      readonly from: Location['kind'];
      readonly reference: string;
      readonly location: Location;
      readonly content: ManifestContent;
      /** The mirror that resolved the tag; undefined if the registry has resolved it or confirmed the digest. */
      readonly mirror?: string;
    };

/** Content at a location, not a draft. */
type ContentResult = Exclude<LookupResult, { from: 'draft' }>;

/**
 * Returns the draft that a name refers to or, if there is no such draft, the content at the location with this name.
 * @param name - the name as the user typed it; undefined refers to the current draft
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the content does not exist; `ERR_MLIST_REFERENCE_INVALID` if the name is
 * not a valid location; `ERR_MLIST_USAGE` if the draft has images without a manifest and `allowsUnpushed` is not set;
 * the errors of `findDraft`
 */
export async function lookup(name: string | undefined, options: ReadOptions): Promise<LookupResult> {
  const { workspace, signal } = options;
  const draft = workspace === undefined ? undefined : await findDraft(name, workspace);
  if (draft !== undefined) return report(await draftResult(draft, options), options);
  const location = parseLocation(name ?? '');
  const stores = await options.stores();
  const { store, name: named } = await stores.resolveLocation(location, { signal });
  const content = await waitForSource(() => store.fetchManifest(named, { signal }), { ...options, stores });
  const mirror = stores.mirrorOf(location);
  const found = { from: location.kind, reference: formatLocation(location), location, content };
  return report(mirror === undefined ? found : { ...found, mirror }, options);
}

/**
 * Returns an object to spread into a result: `{ mirror }` if a mirror resolved the tag and the registry has not
 * confirmed the digest, otherwise `{}`.
 */
export function mirrorIn(found: LookupResult): { readonly mirror?: string } {
  return found.from === 'draft' || found.mirror === undefined ? {} : { mirror: found.mirror };
}

/**
 * Returns the draft that a name refers to, or undefined if the name does not refer to a draft.
 * @param name - the name as the user typed it; undefined refers to the current draft
 * @throws MlistError if `name` is undefined: `ERR_MLIST_NO_CURRENT_DRAFT` if there is no current draft,
 * `ERR_MLIST_DRAFT_NOT_FOUND` if the current draft no longer exists
 */
export async function findDraft(name: string | undefined, workspace: Workspace): Promise<Draft | undefined> {
  if (name === undefined) return workspace.load(await currentList(workspace));
  const list = listIn(parseLocation(name));
  return list === undefined ? undefined : workspace.find(list);
}

function report(found: LookupResult, { onEvent }: ReadOptions): LookupResult {
  onEvent?.({ type: 'from', from: found.from, reference: found.reference });
  return found;
}

async function draftResult(draft: Draft, options: ReadOptions): Promise<LookupResult> {
  if (options.allowsUnpushed !== true) requireManifests(draft);
  return { from: 'draft', reference: listName(draft), draft, list: await listBytes(draft, options) };
}

/**
 * Requires that each image of a draft has a manifest, because the digest of the list is unknown otherwise.
 * @throws MlistError `ERR_MLIST_USAGE` if an image has no manifest yet
 */
function requireManifests(draft: Draft): void {
  const entry = draft.entries.find(isUnpushed);
  if (entry === undefined) return;
  const list = listName(draft);
  const message = `the digest of ${list} is unknown until it is pushed: ${sourceName(entry)} has no manifest yet`;
  throw new MlistError('ERR_MLIST_USAGE', message, {
    reference: list,
    hint:
      `Push the list with "mlist push ${list}", or print the digest with "mlist push --dry-run ${list}". ` +
      `"mlist show ${list}" shows the draft.`,
  });
}

/**
 * Returns the list whose draft a location may refer to. Returns undefined for locations that never refer to a draft:
 * layouts, archives, engine images, references with a digest, and references with `docker://`.
 */
export function listIn(location: Location): Reference | undefined {
  if (location.kind !== 'registry' || location.explicit || location.reference.digest !== undefined) return undefined;
  return location.reference;
}

/**
 * Returns the bytes of a lookup result, with their descriptor. For a draft whose images all have a manifest, these are
 * the bytes that a push writes.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` if the draft cannot be encoded in its format
 */
export function contentOf(found: LookupResult): ManifestContent {
  if (found.from !== 'draft') return found.content;
  const problems = formatProblems(found.draft);
  if (problems.length === 0) return encodedContentOf(found);
  const { message, facts } = refusal(`the draft ${found.reference}`, problems);
  throw new MlistError('ERR_MLIST_LIST_INVALID', message, {
    ...facts,
    reference: found.reference,
    remedy: convertToOci(found.draft),
  });
}

/** Like `contentOf`, for display: members of a draft that its format cannot hold are omitted. */
export function encodedContentOf(found: LookupResult): ManifestContent {
  return found.from === 'draft' ? contentOfList(found.list) : found.content;
}

/** Selects manifests of a list by source or digest, by platform, or by both. */
export interface ChildChoice {
  readonly manifest?: string | undefined;
  readonly platform?: Platform | undefined;
}

/** A manifest in a list, and the location that it can be read from. */
export interface Child {
  readonly source: Location;
  /** Other locations that are tried in this order for content that the source lacks. */
  readonly fill?: readonly Location[] | undefined;
  readonly descriptor: Descriptor;
}

/**
 * Returns the selected manifests of a list, or all manifests if nothing is selected. A platform never selects
 * attestations, and a source selects them only if it has no images.
 * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND` if no manifest matches, or if the content is a single image
 */
export function childrenOf(found: LookupResult, { manifest, platform }: ChildChoice): readonly Child[] {
  const all = found.from === 'draft' ? draftChildren(found.draft, manifest) : remoteChildren(found, manifest);
  const chosen =
    platform === undefined
      ? all
      : all.filter(({ descriptor }) => !isAttestation(descriptor) && matchesPlatform(descriptor.platform, platform));
  if (chosen.length > 0 || (manifest === undefined && platform === undefined)) return chosen;
  const platforms = all.flatMap(({ descriptor }) => (isAttestation(descriptor) ? [] : (descriptor.platform ?? [])));
  const requested = [manifest, platform && `for ${platformNotFoundText(platform, platforms)}`]
    .filter(Boolean)
    .join(' ');
  throw new MlistError(
    'ERR_MLIST_ENTRY_NOT_FOUND',
    `${found.reference} has no entry ${requested}${digestTooShort(requested)}`,
    {
      reference: found.reference,
      hint: availableHint(platforms),
    },
  );
}

function draftChildren(draft: Draft, manifest: string | undefined): readonly Child[] {
  const entries = manifest === undefined ? draft.entries : entriesNamed(draft, manifest);
  if (manifest !== undefined && entries.length === 0) throw entryNotFound(draft, manifest);
  const images = entries.filter((entry) => manifest === undefined || !isAttestationEntry(entry));
  return (images.length > 0 ? images : entries).map((entry) => ({
    source: contentSource(entry),
    fill: entry.fill,
    descriptor: descriptorOf(entry),
  }));
}

function remoteChildren(found: ContentResult, manifest: string | undefined): readonly Child[] {
  const { reference, location, content } = found;
  if (!isIndexType(content.descriptor.mediaType)) {
    throw new MlistError('ERR_MLIST_ENTRY_NOT_FOUND', `${reference} is a single image, not a list`, { reference });
  }
  const { manifests } = readIndex(content.bytes, content.descriptor.mediaType, reference);
  const digest = manifest?.slice(manifest.lastIndexOf('@') + 1) ?? '';
  return manifests
    .filter((descriptor) => manifest === undefined || isPrefixOf(digest, descriptor.digest))
    .map((descriptor) => ({ source: location, descriptor }));
}

/** Reads the content of one entry of a list, from the cache or else from its location. */
export async function readChild(
  { source, fill, descriptor }: Child,
  { cache, stores, signal }: ContentAccess,
): Promise<ManifestContent> {
  const known = await cache.get(descriptor.digest);
  if (known !== undefined) return { descriptor: minimalDescriptor(descriptor), bytes: known };
  const store = await (await stores()).source(source, { fill, signal });
  const isBlob = !isServedAsManifest(descriptor.mediaType) && descriptor.size <= MAX_DOCUMENT_BYTES;
  const blob = isBlob ? await ignoreNotFound(store.fetchBlob(descriptor, { signal })) : undefined;
  if (blob !== undefined) return { descriptor: minimalDescriptor(descriptor), bytes: blob };
  return store.fetchManifest(descriptor.digest, { expected: descriptor, signal });
}
