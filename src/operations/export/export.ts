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
  /** The list that the spec creates. Default: the exported list. */
  readonly as?: string | undefined;
}

/**
 * The spec of a draft or of a stored list, from which `apply` creates the same list, byte for byte. If mlist would
 * encode the list differently, the spec copies it by digest.
 * @param name - the name as the user typed it. Default: the current draft
 * @throws MlistError `ERR_MLIST_USAGE` if the name of the list is not known; `ERR_MLIST_LIST_INVALID` for a draft that
 * a spec cannot express
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
  throw new MlistError('ERR_MLIST_USAGE', `${found.reference} does not name the list that the spec creates`, {
    hint: 'Name it with --as.',
  });
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
  throw new MlistError('ERR_MLIST_LIST_INVALID', `the draft ${listName(draft)} cannot be expressed as a spec`, {
    reference: listName(draft),
    hint: 'Push it, and export the list in the registry: the spec then copies it by digest.',
  });
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
 * The spec, with duplicates allowed if necessary; undefined unless `apply` accepts it and creates a list with this
 * digest.
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
    // The document is a Docker list with members that the format does not allow, which mlist cannot encode.
    if (thrown instanceof MlistError) return undefined;
    throw thrown;
  }
}

function draftOf(spec: SpecDocument): Draft | undefined {
  if (checkSpec(spec as unknown as Json, 0).length > 0) return undefined;
  const parsed = parseSpec(spec, { location: parseLocation, platform: parsePlatform });
  return 'spec' in parsed ? exactDraft(parsed.spec) : undefined;
}
