import type { Problem } from '../../errors/errors.ts';
import { MlistError } from '../../errors/errors.ts';
import { descriptorOf, type Draft, type Entry } from '../../draft/draft.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Location } from '../../oci/location.ts';
import { isForeignLayerType } from '../../oci/media-type.ts';
import { pointerTo } from '../../json/pointer.ts';
import { readManifest } from '../../schema/documents.ts';
import { hasErrors } from '../../schema/problems.ts';
import type { Root, UnreadableRoot } from './deep-check.ts';
import type { Stores } from '../../store/open.ts';
import type { ManifestContent, ReadStore } from '../../store/store.ts';
import type { LookupResult } from '../lookup.ts';
import { entrySource } from '../publish/fill.ts';

/** This file finds the content that a draft, a list or a document refers to, and the stores to read it from. */

export interface ContentContext {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
}

/** The content that a document refers to, and the stores to read it from. */
export interface Roots {
  readonly manifests: readonly (Root | UnreadableRoot)[];
  readonly blobs: readonly Root[];
  /** The document itself, if it is a single image. */
  readonly image?: Root;
}

/** Returns the content that a draft, or a list or image in a store, refers to. */
export async function rootsOfFound(
  found: LookupResult,
  problems: readonly Problem[],
  options: ContentContext,
): Promise<Roots> {
  const { stores, signal } = options;
  if (found.from === 'draft') return rootsOfDraft(found.draft, options);
  const { store } = await stores.resolveLocation(found.location, { signal });
  return rootsOf(found.content, store, problems);
}

/** Returns the content that a document in a file refers to. This content is read from `location`. */
export async function rootsOfFile(
  bytes: Uint8Array,
  location: Location,
  problems: readonly Problem[],
  { stores, signal }: ContentContext,
): Promise<Roots> {
  const store = await stores.source(location, { signal });
  return rootsOf({ bytes }, store, problems);
}

/** Returns the content that a draft refers to. This content is read from the sources of the entries. */
export async function rootsOfDraft(draft: Draft, { stores, signal }: ContentContext): Promise<Roots> {
  stores.expect({ read: draft.entries.map(({ source }) => source) });
  const manifests = await Promise.all(
    draft.entries.map(async (entry, at) => {
      const root = { descriptor: descriptorOf(entry), pointer: pointerTo('manifests', at) };
      try {
        return { ...root, store: await entrySource(entry, { stores, signal }) };
      } catch (thrown) {
        return { ...root, fault: withEntry(entry, thrown) };
      }
    }),
  );
  signal?.throwIfAborted();
  return { manifests, blobs: [] };
}

/** Adds the entry to the error for a missing layout or archive, because several entries may be read from it. */
function withEntry(entry: Entry, thrown: unknown): unknown {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  return new MlistError(thrown.code, `${describeEntry(entry)}: ${thrown.message}`, thrown.facts);
}

/** The bytes of a document, and its descriptor. A document in a file has no descriptor. */
type DocumentBytes = Pick<ManifestContent, 'bytes'> & Partial<Pick<ManifestContent, 'descriptor'>>;

/**
 * Returns the content that a document refers to. For an invalid document, returns no content if `known` already
 * contains errors, and throws an error otherwise.
 */
function rootsOf({ bytes, descriptor }: DocumentBytes, store: ReadStore, known: readonly Problem[]): Roots {
  const document = readable(bytes, descriptor?.mediaType, known);
  if (document === undefined) return { manifests: [], blobs: [] };
  if ('manifests' in document) {
    const manifests = document.manifests.map((descriptor, at) => ({
      descriptor,
      store,
      pointer: pointerTo('manifests', at),
    }));
    return { manifests, blobs: [] };
  }
  const layers = document.layers.map((descriptor, at) => ({ descriptor, store, pointer: pointerTo('layers', at) }));
  const held = layers.filter(({ descriptor }) => !isForeignLayerType(descriptor.mediaType));
  const own = descriptor ?? { mediaType: document.mediaType, digest: digestOf(bytes), size: bytes.length };
  return {
    manifests: [],
    blobs: [{ descriptor: document.config, store, pointer: pointerTo('config') }, ...held],
    image: { descriptor: own, store, pointer: '' },
  };
}

function readable(bytes: Uint8Array, mediaType: string | undefined, known: readonly Problem[]) {
  try {
    return readManifest(bytes, mediaType, 'the document');
  } catch (thrown) {
    if (thrown instanceof MlistError && hasErrors(known)) return undefined;
    throw thrown;
  }
}
