import { MlistError } from '../../errors/errors.ts';
import { descriptorOf, listName, type Draft } from '../../draft/draft.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { encodeDraft } from '../../draft/to-list.ts';
import { checkDraft } from '../../draft/draft-rules.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Json } from '../../json/json.ts';
import { atDigest, formatLocation, parseLocation, type Location } from '../../oci/location.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { parsePlatform } from '../../oci/platform/platform.ts';
import { formatReference, withTag } from '../../oci/reference.ts';
import { readIndex } from '../../schema/documents.ts';
import { hasErrors } from '../../schema/problems.ts';
import { checkSpec } from '../../schema/spec-document.ts';
import { exactDraft } from '../apply/apply-draft.ts';
import { lookup, type LookupResult, type ReadOptions } from '../lookup.ts';
import type { ManifestSpec, SpecDocument } from '../spec/spec.ts';
import { parseSpec } from '../spec/parse-spec.ts';

export interface ExportOptions extends ReadOptions {
  /** The name of the list in the spec. Default: the name of the exported list. */
  readonly as?: string | undefined;
}

/**
 * Returns a spec from which `apply` creates the list of a draft or a location again, byte for byte. The spec copies a
 * single image by digest, and also a list that `apply` cannot build from its entries. If a draft violates rules, its
 * spec violates them, too.
 * @param name - the name as the user typed it. Default: the current draft
 * @throws MlistError `ERR_MLIST_USAGE` if `as` is undefined, and the list is neither a draft nor a tag in a registry;
 * `ERR_MLIST_LIST_INVALID` if a spec cannot express the draft
 */
export async function exportSpec(name: string | undefined, options: ExportOptions): Promise<SpecDocument> {
  const found = await lookup(name, options);
  const list = options.as === undefined ? listOf(found) : formatReference(parseListName(options.as));
  return found.from === 'draft' ? ofDraft(found.draft, found.list.digest, list) : ofContent(found, list);
}

function listOf(found: LookupResult): string {
  if (found.from === 'draft') return found.reference;
  const { location } = found;
  if (location.kind === 'registry' && location.reference.tag !== undefined) {
    return formatReference(withTag(location.reference, location.reference.tag));
  }
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `missing list name for the spec: ${found.reference} is not a tag in a registry`,
    { hint: 'Set the name of the list with --as.' },
  );
}

function ofDraft(draft: Draft, digest: Digest, list: string): SpecDocument {
  const { format, annotations, artifactType, subject, base } = draft;
  const manifests = draft.entries.map((entry) => manifestOf(entry.source, descriptorOf(entry)));
  const members = { annotations, artifactType, subject };
  const fillFrom = [...new Set(draft.entries.flatMap(({ fill = [] }) => fill.map(formatLocation)))];
  const filling: Partial<SpecDocument> = fillFrom.length === 0 ? {} : { missing: 'fill', fillFrom };
  const written: SpecDocument = { list, format, ...stated(members), manifests, ...filling };
  const spec = faithful(written, digest);
  if (spec !== undefined) return spec;
  if (digestOf(draftOf(written)) === digest) return written;
  if (base?.digest === digest) return { list, copy: pinned(base.ref, digest), ...filling };
  throw new MlistError(
    'ERR_MLIST_LIST_INVALID',
    `the draft ${listName(draft)} cannot be expressed as a spec: "mlist apply" would not create the same list`,
    {
      reference: listName(draft),
      hint: 'Push the draft, and export the pushed list instead. Its spec copies the list by digest.',
    },
  );
}

function ofContent(
  { content, location, reference }: Exclude<LookupResult, { from: 'draft' }>,
  list: string,
): SpecDocument {
  const { mediaType, digest } = content.descriptor;
  const copy: SpecDocument = { list, copy: pinned(location, digest) };
  if (!isIndexType(mediaType)) return copy;
  const index = readIndex(content.bytes, mediaType, reference);
  const isDocker = index.mediaType === MediaType.dockerList;
  const { annotations, artifactType, subject } = isDocker ? {} : index;
  const manifests = index.manifests.map((descriptor) => manifestOf(location, descriptor));
  if (manifests.length === 0) return copy;
  const members = { annotations, artifactType, subject };
  const written: SpecDocument = { list, format: isDocker ? 'docker' : 'oci', ...stated(members), manifests };
  return faithful(written, digest) ?? copy;
}

function stated<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function manifestOf(location: Location, descriptor: Descriptor): ManifestSpec {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor;
  const members = { platform, annotations, artifactType, urls, data };
  return { image: pinned(location, digest), mediaType, size, ...stated(members) };
}

function pinned(location: Location, digest: Digest): string {
  return formatLocation(atDigest(location, digest));
}

/**
 * Returns the spec, with `allowDuplicates` if necessary. Returns undefined if `apply` would refuse the spec, or would
 * create a list with another digest.
 */
function faithful(spec: SpecDocument, digest: Digest): SpecDocument | undefined {
  const draft = draftOf(spec);
  if (draft === undefined || digestOf(draft) !== digest) return undefined;
  if (!hasErrors(checkDraft(draft))) return spec;
  return hasErrors(checkDraft(draft, { allowDuplicates: true })) ? undefined : { ...spec, allowDuplicates: true };
}

function digestOf(draft: Draft | undefined): Digest | undefined {
  if (draft === undefined) return undefined;
  try {
    return encodeDraft(draft).digest;
  } catch (thrown) {
    // mlist cannot encode a Docker list with members that the format does not allow.
    if (thrown instanceof MlistError) return undefined;
    throw thrown;
  }
}

function draftOf(spec: SpecDocument): Draft | undefined {
  if (checkSpec(spec as unknown as Json, 0).length > 0) return undefined;
  const parsed = parseSpec(spec, { location: parseLocation, platform: parsePlatform });
  return 'spec' in parsed ? exactDraft(parsed.spec) : undefined;
}
