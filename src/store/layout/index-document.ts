import { MlistError } from '../../errors/errors.ts';
import { byteSize } from '../../text/quantity.ts';
import { memberNames, type Json, type JsonObject } from '../../json/json.ts';
import { writeJson } from '../../json/stringify.ts';
import { descriptorAt, readDocument } from '../../oci/children.ts';
import { kindOf } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import type { Entries, Entry } from './index-entries.ts';

/**
 * The content of index.json (image-spec v1.1.1 image-layout.md "index.json file") of a layout folder or an OCI archive.
 */
export interface Index {
  readonly document: JsonObject;
  readonly entries: Entries;
}

/** The size up to which entries are added to an index.json, in bytes: about 200 000 tags. */
export const FULL_BYTES = 64 * 1024 * 1024;

/**
 * Limits for reading index.json. They exceed those of a manifest, because the file contains all tags of a repository of
 * the embedded registry. The size exceeds that of a full file, so that a file that another tool has extended can be
 * read, and made smaller.
 */
export const INDEX_LIMITS = { maxBytes: 96 * 1024 * 1024, maxValues: 4_000_000 };

/** The error if index.json would become larger than `FULL_BYTES`. */
export class IndexFullError extends MlistError {
  /** For messages. */
  static readonly limit = byteSize(FULL_BYTES);

  constructor(location: string) {
    super('ERR_MLIST_FILE', `${location} is full: its index.json would become larger than ${IndexFullError.limit}`, {
      hint: 'Nothing was changed. Remove tags or untagged manifests, or use another location.',
    });
  }
}

/**
 * Parses index.json.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`
 */
export function parseIndex(bytes: Uint8Array): Index {
  const document = readDocument(bytes, INDEX_LIMITS);
  const { fault } = kindOf(document, MediaType.ociIndex);
  if (fault !== undefined) throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', fault);
  const { schemaVersion } = document;
  // Go writes null for an empty list.
  const manifests = document['manifests'] === null ? [] : document['manifests'];
  if (schemaVersion !== 2 || !Array.isArray(manifests)) {
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', 'it is not an image index');
  }
  const entries = (manifests as readonly Json[]).map((json, position) => ({
    descriptor: descriptorAt(json, 'manifests', position),
    json: json as JsonObject,
  }));
  return { document, entries };
}

/** Caches the serialized entries, so that only new entries are serialized when index.json is written again. */
const texts = new WeakMap<JsonObject, string>();

/** Serializes the document with these entries. All other members are unchanged. */
export function formatIndex({ document, entries }: Index): string {
  const members = memberNames(document).map((name) => {
    const value = document[name] ?? null;
    return `${writeJson(name)}:${name === 'manifests' ? `[${entries.map(textOf).join(',')}]` : writeJson(value)}`;
  });
  return `{${members.join(',')}}`;
}

/** The size of an index when it is written, in bytes. It may be one byte too large. */
export function indexBytes({ document, entries }: Index): number {
  return entries.reduce((sum, entry) => sum + entryBytes(entry), formatIndex({ document, entries: [] }).length);
}

/** The size of an entry with its comma, in bytes. */
export function entryBytes(entry: Entry): number {
  return Buffer.byteLength(textOf(entry)) + 1;
}

function textOf({ json }: Entry): string {
  const known = texts.get(json) ?? writeJson(json);
  texts.set(json, known);
  return known;
}
