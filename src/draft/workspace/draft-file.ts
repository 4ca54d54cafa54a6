import { MlistError, type Problem } from '../../errors/errors.ts';
import type { Json } from '../../json/json.ts';
import { writeJson } from '../../json/stringify.ts';
import {
  formatLocation,
  isLocalLocation,
  parseBareLocation,
  parseLocation,
  type Location,
} from '../../oci/location.ts';
import { formatReference, parseTypedReference, sameReference, type Reference } from '../../oci/reference.ts';
import { error } from '../../schema/problems.ts';
import { checkDraftDocument } from '../../schema/workspace-documents.ts';
import {
  isUnpushed,
  sourceName,
  unpushedManifest,
  type Base,
  type Draft,
  type Entry,
  type ManifestMembers,
} from '../draft.ts';

/** Draft files: JSON with one member per line, so that changes are easy to review. */

/** A draft as it is stored: schemas/draft.schema.json. References and locations are canonical text. */
export interface DraftDocument extends Omit<Draft, 'list' | 'base' | 'entries'> {
  readonly list: string;
  readonly base?: BaseDocument;
  readonly entries: readonly EntryDocument[];
}

interface BaseDocument extends Omit<Base, 'ref'> {
  readonly ref: string;
}

/**
 * The members that describe the manifest are absent until the first push of an image of an engine that keeps no
 * manifests.
 */
export interface EntryDocument
  extends Omit<Entry, 'source' | 'fill' | keyof ManifestMembers>, Partial<ManifestMembers> {
  readonly source: string;
  readonly fill?: readonly string[];
}

const draftMembers = ['version', 'list', 'format', 'annotations', 'artifactType', 'subject', 'base', 'extra'] as const;
const entryMembers = [
  ...(['source', 'via', 'image', 'fill', 'mediaType', 'digest', 'size'] as const),
  ...(['detected', 'set', 'annotations', 'artifactType', 'urls', 'data', 'attests', 'extra'] as const),
];

/** Formats a draft file. It has no final line break, so that every truncated file is invalid JSON. */
export function formatDraft(draft: Draft): string {
  const { list, base, entries: parsed, ...rest } = draft;
  const document: Omit<DraftDocument, 'entries'> = {
    ...rest,
    list: formatReference(list),
    ...(base === undefined ? {} : { base: { ...base, ref: formatLocation(base.ref) } }),
  };
  const members = Object.fromEntries(draftMembers.map((name) => [name, document[name]]));
  const entries = parsed.map((entry) => {
    const { mediaType, digest, size, fill, ...others } = entry;
    const stored: EntryDocument = {
      ...others,
      ...(isUnpushed(entry) ? {} : { mediaType, digest, size }),
      ...(fill === undefined ? {} : { fill: fill.map(formatLocation) }),
      source: sourceName(entry),
    };
    return Object.fromEntries(entryMembers.map((name) => [name, stored[name]]));
  });
  return writeJson({ ...members, entries }, { indent: '  ' });
}

/**
 * Parses a draft file.
 * @param list - the name of the list that the draft must have; undefined accepts any name
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` with the path of the file and all problems
 */
export async function parseDraft(bytes: Uint8Array, path: string, list?: Reference): Promise<Draft> {
  const checked = await checkDraftDocument(bytes);
  if ('problems' in checked) throw damagedDraft(path, checked.problems);
  const problems: Problem[] = [];
  const draft = parseDocument(documentOf(checked.value), list, problems);
  if (draft === undefined || problems.length > 0) throw damagedDraft(path, problems);
  return draft;
}

/** The schema has validated the members, including the digests. */
function documentOf(value: Json): DraftDocument {
  return value as unknown as DraftDocument;
}

/**
 * Converts a valid document to a draft.
 * @param problems - receives the problems of the document
 */
function parseDocument(
  { list: name, base, entries, ...rest }: DraftDocument,
  expected: Reference | undefined,
  problems: Problem[],
): Draft | undefined {
  const list = attempt(() => parseStoredName(name));
  if (list === undefined || formatReference(list) !== name) {
    problems.push(error('E-DRAFT', '/list', 'is not a canonical reference with a tag'));
  } else if (expected !== undefined && !sameReference(list, expected)) {
    const message = `names ${name}, but this is the file of ${formatReference(expected)}`;
    problems.push(error('E-DRAFT', '/list', message));
  }
  const locationAt = (pointer: string, text: string, parse = parseLocation): Location | undefined => {
    const location = attempt(() => parse(text));
    if (location === undefined) problems.push(error('E-DRAFT', pointer, 'is not a location'));
    return location;
  };
  const ref = base && locationAt('/base/ref', base.ref);
  const parsed = entries.flatMap(({ fill, ...entry }, at): readonly Entry[] => {
    const source = locationAt(`/entries/${at}/source`, entry.source);
    const manifest = manifestOf(entry);
    if (manifest === undefined)
      problems.push(error('E-DRAFT', `/entries/${at}`, 'has neither a manifest nor an image'));
    const locations = fill?.flatMap(
      (text, place) => locationAt(`/entries/${at}/fill/${place}`, text, parseBareLocation) ?? [],
    );
    if (source === undefined || manifest === undefined) return [];
    return [{ ...entry, ...manifest, source, ...(locations === undefined ? {} : { fill: locations }) }];
  });
  return list && { ...rest, list, ...(base && ref ? { base: { ...base, ref } } : {}), entries: parsed };
}

/**
 * The members that describe the manifest. Undefined if an entry has neither a manifest nor an image whose manifest the
 * first push generates.
 */
function manifestOf({ mediaType, digest, size, image }: Omit<EntryDocument, 'fill'>): ManifestMembers | undefined {
  if (mediaType !== undefined && digest !== undefined && size !== undefined) return { mediaType, digest, size };
  return image && unpushedManifest(image);
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

export function damagedDraft(path: string, problems: readonly Problem[]): MlistError {
  const [first] = problems;
  const where = first === undefined || first.pointer === '' ? '' : ` at ${first.pointer}`;
  return new MlistError(
    'ERR_MLIST_DRAFT_DAMAGED',
    `${path} is damaged: ${first?.message ?? 'it cannot be read'}${where}`,
    {
      path,
      problems,
      hint: 'Fix the file, or remove the draft with "mlist rm" and create it again.',
    },
  );
}

/**
 * Parses the name of a list: a reference with a tag, by default `latest`.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if the name has a digest, which would have to match content that
 * does not exist yet, or is a location outside registries
 */
export function parseListName(text: string): Reference {
  if (isLocalLocation(text)) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `a list is named by a registry reference, not by ${text}`, {
      hint: 'Name the list by a reference, and push it to a layout or an archive with "mlist push --to LOCATION".',
    });
  }
  const reference = parseTypedReference(text.startsWith('docker://') ? text.slice('docker://'.length) : text);
  if (reference.digest !== undefined) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `a list is named by a tag, not by a digest: ${text}`, {
      hint: 'Remove the part from "@" on.',
    });
  }
  return { ...reference, tag: reference.tag ?? 'latest' };
}

/**
 * Parses the name of a list in a file of the workspace. Adds the prefix `docker://`, so that `podman:5000/app` is
 * parsed as a registry, not as an engine.
 */
export function parseStoredName(text: string): Reference {
  return parseListName(`docker://${text}`);
}
