import type { Problem } from '../../errors/errors.ts';
import { MlistError } from '../../errors/errors.ts';
import { descriptorOf, type Draft, type Entry } from '../../draft/draft.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import type { Location } from '../../oci/location.ts';
import { isForeignLayerType } from '../../oci/media-type.ts';
import { pointerTo } from '../../json/pointer.ts';
import { readManifest } from '../../schema/documents.ts';
import { capped, hasErrors } from '../../schema/problems.ts';
import { DeepCheck, type UnreadableRoot, type Root } from './deep-check.ts';
import type { Stores } from '../../store/open.ts';
import type { ReadStore } from '../../store/store.ts';
import type { LookupResult } from '../lookup.ts';
import { entrySource } from '../publish/fill.ts';

/** `validate --deep`: checks that the content below a list exists and matches its descriptors. */

export interface DeepOptions {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
}

/** How much content was checked, apart from the document itself. */
export interface Depth {
  readonly manifests: number;
  readonly blobs: number;
}

export interface Deep {
  readonly problems: readonly Problem[];
  readonly checked: Depth;
}

interface Roots {
  readonly manifests: readonly (Root | UnreadableRoot)[];
  readonly blobs: readonly Root[];
}

/**
 * Checks the content below a draft or a list.
 * @param problems - known problems of the document itself, to which the new ones are added
 * @throws MlistError if the content cannot be read, for example because of the network or missing permissions
 */
export async function checkListDeep(
  found: LookupResult,
  problems: readonly Problem[],
  options: DeepOptions,
): Promise<Deep> {
  const { stores, signal } = options;
  if (found.from === 'draft') return check(await rootsOfDraft(found.draft, options), problems, options);
  const { store } = await stores.resolveLocation(found.location, { signal });
  const { bytes, descriptor } = found.content;
  return check(rootsOf(bytes, descriptor.mediaType, store, problems), problems, options);
}

/** As `checkListDeep`, for a document in a file whose content is in a repository, a layout or an archive. */
export async function checkBytes(
  bytes: Uint8Array,
  location: Location,
  problems: readonly Problem[],
  options: DeepOptions,
): Promise<Deep> {
  const store = await options.stores.source(location, { signal: options.signal });
  return check(rootsOf(bytes, undefined, store, problems), problems, options);
}

/** As `checkListDeep`, for a draft in a file. Its entries name the sources of the content. */
export async function checkDraftDeep(draft: Draft, problems: readonly Problem[], options: DeepOptions): Promise<Deep> {
  return check(await rootsOfDraft(draft, options), problems, options);
}

async function check({ manifests, blobs }: Roots, known: readonly Problem[], options: DeepOptions): Promise<Deep> {
  const { stores, signal } = options;
  const { problems, ...checked } = await new DeepCheck(stores, { signal }).run(manifests, blobs);
  return { problems: capped([...known, ...problems]), checked };
}

async function rootsOfDraft(draft: Draft, { stores, signal }: DeepOptions): Promise<Roots> {
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

/** Reports a missing layout or archive for each of its entries. */
function withEntry(entry: Entry, thrown: unknown): unknown {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  return new MlistError(thrown.code, `${describeEntry(entry)}: ${thrown.message}`, thrown.facts);
}

/** The content that a document refers to; none if the document is not a valid manifest. */
function rootsOf(bytes: Uint8Array, mediaType: string | undefined, store: ReadStore, known: readonly Problem[]): Roots {
  const document = readable(bytes, mediaType, known);
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
  return { manifests: [], blobs: [{ descriptor: document.config, store, pointer: pointerTo('config') }, ...held] };
}

function readable(bytes: Uint8Array, mediaType: string | undefined, known: readonly Problem[]) {
  try {
    return readManifest(bytes, mediaType, 'the document');
  } catch (thrown) {
    if (thrown instanceof MlistError && hasErrors(known)) return undefined;
    throw thrown;
  }
}
