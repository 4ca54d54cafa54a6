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

/** This file parses and formats draft files: JSON with one member per line, so that changes are easy to review. */

/** A draft as stored in its file (schemas/draft.schema.json). References and locations are canonical text. */
export interface DraftDocument extends Omit<Draft, 'list' | 'base' | 'entries'> {
  readonly list: string;
  readonly base?: BaseDocument;
  readonly entries: readonly EntryDocument[];
}

interface BaseDocument extends Omit<Base, 'ref'> {
  readonly ref: string;
}

/**
 * An entry as stored. For an image from an engine that keeps no manifests, `mediaType`, `digest` and `size` are absent
 * until the first push generates the manifest.
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

/** Formats a draft file. It ends without a line break, so that every truncated file is invalid JSON. */
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
 * @param list - the list to which the file name belongs; undefined accepts any list
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` with all problems, if the file is not a valid draft of this list
 */
export async function parseDraft(bytes: Uint8Array, path: string, list?: Reference): Promise<Draft> {
  const checked = await checkDraftDocument(bytes);
  if ('problems' in checked) throw damagedDraft(path, checked.problems);
  const problems: Problem[] = [];
  const draft = parseDocument(documentOf(checked.value), list, problems);
  if (draft === undefined || problems.length > 0) throw damagedDraft(path, problems);
  return draft;
}

/** Casts a value that the schema has accepted. The schema also checks the form of digests. */
function documentOf(value: Json): DraftDocument {
  return value as unknown as DraftDocument;
}

/**
 * Converts a document that the schema has accepted to a draft.
 * @param problems - receives the problems that the schema cannot find
 */
function parseDocument(
  { list: name, base, entries, ...rest }: DraftDocument,
  expected: Reference | undefined,
  problems: Problem[],
): Draft | undefined {
  const list = attempt(() => parseStoredName(name));
  if (list === undefined || formatReference(list) !== name) {
    problems.push(error('E-DRAFT', '/list', 'must be a canonical reference with a tag'));
  } else if (expected !== undefined && !sameReference(list, expected)) {
    const message = `is ${name}, but the file name belongs to ${formatReference(expected)}`;
    problems.push(error('E-DRAFT', '/list', message));
  }
  const locationAt = (pointer: string, text: string, parse = parseLocation): Location | undefined => {
    const location = attempt(() => parse(text));
    if (location === undefined) problems.push(error('E-DRAFT', pointer, 'must be a location'));
    return location;
  };
  const ref = base && locationAt('/base/ref', base.ref);
  const parsed = entries.flatMap(({ fill, ...entry }, at): readonly Entry[] => {
    const source = locationAt(`/entries/${at}/source`, entry.source);
    const manifest = manifestOf(entry);
    if (manifest === undefined)
      problems.push(error('E-DRAFT', `/entries/${at}`, 'must have mediaType, digest and size, or an image'));
    const locations = fill?.flatMap(
      (text, place) => locationAt(`/entries/${at}/fill/${place}`, text, parseBareLocation) ?? [],
    );
    if (source === undefined || manifest === undefined) return [];
    return [{ ...entry, ...manifest, source, ...(locations === undefined ? {} : { fill: locations }) }];
  });
  return list && { ...rest, list, ...(base && ref ? { base: { ...base, ref } } : {}), entries: parsed };
}

/**
 * Returns the members that describe the manifest, or placeholders for an engine image whose manifest the first push
 * will generate. Returns undefined if the entry has neither.
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
    `${path} is damaged${where}: ${first?.message ?? 'it is not a draft'}`,
    {
      path,
      problems,
      hint: 'Fix the file, or remove the draft with "mlist rm" and create it again.',
    },
  );
}

/**
 * Parses the name of a list: a reference with a tag, by default `latest`. A digest is refused, because it would have to
 * match content that does not exist yet.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if the name is invalid, has a digest, or is a local location
 */
export function parseListName(text: string): Reference {
  if (isLocalLocation(text)) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `invalid list name ${text}: it is not a registry reference`, {
      hint: 'Choose a name such as team/app:1.0. "mlist push --to LOCATION" pushes the list to a layout or an archive.',
    });
  }
  const reference = parseTypedReference(text.startsWith('docker://') ? text.slice('docker://'.length) : text);
  if (reference.digest !== undefined) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `invalid list name ${text}: it has a digest`, {
      hint: 'Remove the "@" and the digest: the digest of a list follows from its content.',
    });
  }
  return { ...reference, tag: reference.tag ?? 'latest' };
}

/**
 * Parses a list name that is stored in the workspace. The prefix `docker://` ensures that `podman:5000/app` is parsed
 * as a registry reference, not as an engine location.
 */
export function parseStoredName(text: string): Reference {
  return parseListName(`docker://${text}`);
}
