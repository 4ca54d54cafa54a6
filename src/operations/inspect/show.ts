import { isUnpushed } from '../../draft/draft.ts';
import { formatProblems } from '../../draft/draft-rules.ts';
import type { Annotations, Descriptor } from '../../oci/descriptor.ts';
import { isIndexType, isManifestType, MediaType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { readIndex } from '../../schema/documents.ts';
import { readCandidates, sourceOf } from '../read-candidates.ts';
import {
  encodedContentOf,
  lookup,
  mirrorIn,
  type ContentAccess,
  type LookupResult,
  type ReadOptions,
} from '../lookup.ts';
import { reportWarnings } from '../warnings.ts';
import { availabilityOf } from './availability.ts';
import { DetailReader, type DetailOptions } from './content-details.ts';
import { groupAttestations, viewOfEntry, type ContentDetails, type EntryView, type ViewedEntry } from './entry-view.ts';

/** A list or a single image for display. */
export interface ListView extends ContentDetails {
  readonly from: LookupResult['from'];
  readonly reference: string;
  /** The mirror that resolved the tag, unless the registry has confirmed the digest. */
  readonly mirror?: string;
  readonly mediaType: string;
  /** The digest of the list. Undefined until the push if an image of the draft has no manifest yet. */
  readonly digest?: string;
  readonly size?: number;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: string;
  /** The platform in the config of a single image. */
  readonly platform?: Platform;
  /** The entries of the list; empty for a single image. */
  readonly entries: readonly EntryView[];
}

export interface ShowOptions extends ReadOptions, DetailOptions {}

/**
 * Reads a list or an image for display. For a single image, the config is read, too, because it states the platform.
 */
export async function show(name: string | undefined, options: ShowOptions): Promise<ListView> {
  return viewOf(await lookupForDisplay(name, options), options);
}

/**
 * Looks up a draft or the content of a location for display. Drafts whose images have no manifest yet are accepted.
 * Problems that prevent a push in the format of the draft are reported as warnings.
 */
export async function lookupForDisplay(name: string | undefined, options: ReadOptions): Promise<LookupResult> {
  const found = await lookup(name, { ...options, allowsUnpushed: true });
  if (found.from === 'draft') reportWarnings(formatProblems(found.draft), options.onEvent);
  return found;
}

/** Like `show`, for content that was looked up already. */
export async function viewOf(found: LookupResult, options: ContentAccess & DetailOptions): Promise<ListView> {
  const { descriptor, bytes } = encodedContentOf(found);
  const { mediaType, digest, size } = descriptor;
  const isKnown = found.from !== 'draft' || !found.draft.entries.some(isUnpushed);
  const facts = {
    from: found.from,
    reference: found.reference,
    ...mirrorIn(found),
    mediaType,
    ...(isKnown ? { digest, size } : {}),
  };
  if (!isIndexType(mediaType)) {
    const { entries } = await readCandidates(found, options);
    const platform = entries[0]?.stated;
    const details = await detailsOfImage(found, options);
    return { ...facts, ...(platform === undefined ? {} : { platform }), ...details, entries: [] };
  }
  const list = readIndex(bytes, mediaType, found.reference);
  const { annotations, artifactType, subject } = list.mediaType === MediaType.ociIndex ? list : {};
  return {
    ...facts,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    ...(found.from === 'draft'
      ? {}
      : await new DetailReader(options).referrersOf({ source: found.location, descriptor })),
    entries: await viewsOf(list.manifests, found, options),
  };
}

/** Returns the entries of a list with their details. Content that is known to be missing is not read. */
async function viewsOf(
  manifests: readonly Descriptor[],
  found: LookupResult,
  options: ContentAccess & DetailOptions,
): Promise<readonly EntryView[]> {
  const availability = await availabilityOf(found, options);
  const reader = new DetailReader(options);
  const views = manifests.map(async (entry, at): Promise<ViewedEntry> => {
    const drafted = found.from === 'draft' ? found.draft.entries[at] : undefined;
    const available = availability?.[at]?.available;
    const isThere = available !== false && !(drafted !== undefined && isUnpushed(drafted));
    const details = isThere ? await reader.detailsOf({ ...sourceOf(found, at), descriptor: entry }) : {};
    return {
      entry,
      view: { ...viewOfEntry(entry, drafted), ...(available === undefined ? {} : { available }), ...details },
    };
  });
  return groupAttestations(await Promise.all(views));
}

/** Returns the details of a single image, whose manifest was already read. */
async function detailsOfImage(found: LookupResult, options: ContentAccess & DetailOptions): Promise<ContentDetails> {
  const { descriptor, bytes } = encodedContentOf(found);
  const isImage = isManifestType(descriptor.mediaType);
  const child = { ...sourceOf(found, 0), descriptor };
  const reader = new DetailReader(options);
  return {
    ...(isImage ? await reader.detailsIn(bytes, child) : {}),
    ...(await reader.referrersOf(child)),
  };
}
