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

/** Entries are added to index.json only up to this size, in bytes. It is enough for about 200 000 tags. */
export const FULL_BYTES = 64 * 1024 * 1024;

/**
 * Limits for reading index.json. They are higher than for a manifest, because an index.json of the embedded registry
 * contains all tags of a repository. `maxBytes` exceeds `FULL_BYTES`, so that a file that another tool has extended can
 * still be read and made smaller.
 */
export const INDEX_LIMITS = { maxBytes: 96 * 1024 * 1024, maxValues: 4_000_000 };

/**
 * Thrown if index.json would exceed `FULL_BYTES` or, if an edit removes something or adds no bytes,
 * `INDEX_LIMITS.maxBytes`.
 */
export class IndexFullError extends MlistError {
  /** `FULL_BYTES` as text, for messages. */
  static readonly limit = byteSize(FULL_BYTES);

  constructor(location: string) {
    super('ERR_MLIST_FILE', `${location} is full: its index.json would become larger than ${IndexFullError.limit}`, {
      hint: 'Nothing was changed. Remove tags or untagged manifests, or use another location.',
    });
  }
}

/**
 * Parses index.json.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is not a valid index
 */
export function parseIndex(bytes: Uint8Array): Index {
  const document = readDocument(bytes, INDEX_LIMITS);
  const kind = kindOf(document, MediaType.ociIndex);
  if (kind.fault !== undefined) throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', kind.fault);
  const { schemaVersion } = document;
  // Go programs write null for an empty array.
  const manifests = document['manifests'] === null ? [] : document['manifests'];
  if (schemaVersion !== 2 || !Array.isArray(manifests)) {
    const fault = schemaVersion === 2 ? '"manifests" is not an array' : '"schemaVersion" is not 2';
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', fault);
  }
  const entries = (manifests as readonly Json[]).map((json, position) => ({
    descriptor: descriptorAt(json, 'manifests', position),
    json: json as JsonObject,
  }));
  return { document, entries };
}

/** Caches the serialized entries, so that only new entries are serialized when index.json is written again. */
const texts = new WeakMap<JsonObject, string>();

/** Serializes the document with these entries. Its other members are unchanged. */
export function formatIndex({ document, entries }: Index): string {
  const members = memberNames(document).map((name) => {
    const value = document[name] ?? null;
    return `${writeJson(name)}:${name === 'manifests' ? `[${entries.map(textOf).join(',')}]` : writeJson(value)}`;
  });
  return `{${members.join(',')}}`;
}

/** Returns the size of the serialized index in bytes; if there are entries, one byte more (see `entryBytes`). */
export function indexBytes({ document, entries }: Index): number {
  const rest = Buffer.byteLength(formatIndex({ document, entries: [] }));
  return entries.reduce((sum, entry) => sum + entryBytes(entry), rest);
}

/** Returns the size of a serialized entry in bytes, with a comma after it. The last entry has no comma. */
export function entryBytes(entry: Entry): number {
  return Buffer.byteLength(textOf(entry)) + 1;
}

function textOf({ json }: Entry): string {
  const known = texts.get(json) ?? writeJson(json);
  texts.set(json, known);
  return known;
}
