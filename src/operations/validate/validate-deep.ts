import type { Problem } from '../../errors/errors.ts';
import { MlistError } from '../../errors/errors.ts';
import { descriptorOf, type Draft, type Entry } from '../../draft/draft.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import type { Location } from '../../oci/location.ts';
import { isForeignLayerType } from '../../oci/media-type.ts';
import { pointerTo } from '../../json/pointer.ts';
import { readManifest } from '../../schema/documents.ts';
import { capped, hasErrors } from '../../schema/problems.ts';
import { DeepCheck, type Lost, type Root } from './deep-check.ts';
import type { Stores } from '../../store/open.ts';
import type { ReadStore } from '../../store/store.ts';
import type { LookupResult } from '../lookup.ts';

/** `validate --deep`: whether what a list points at is there, and is what the list says. */

export interface DeepOptions {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
}

/** What was looked at, beyond the document itself. */
export interface Depth {
  readonly manifests: number;
  readonly blobs: number;
}

export interface Deep {
  readonly problems: readonly Problem[];
  readonly checked: Depth;
}

interface Roots {
  readonly manifests: readonly (Root | Lost)[];
  readonly blobs: readonly Root[];
}

/**
 * Looks at what a draft or a list points at, on top of the problems that are known already.
 * @throws MlistError what keeps it from looking: no network, no rights
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

/** The same of a document in a file, whose content lies in a repository, a layout or an archive. */
export async function checkBytes(
  bytes: Uint8Array,
  location: Location,
  problems: readonly Problem[],
  options: DeepOptions,
): Promise<Deep> {
  const store = await options.stores.source(location, { signal: options.signal });
  return check(rootsOf(bytes, undefined, store, problems), problems, options);
}

/** The same of a draft in a file: its sources say where everything lies. */
export async function checkDraftDeep(draft: Draft, problems: readonly Problem[], options: DeepOptions): Promise<Deep> {
  return check(await rootsOfDraft(draft, options), problems, options);
}

async function check({ manifests, blobs }: Roots, known: readonly Problem[], options: DeepOptions): Promise<Deep> {
  const { stores, signal } = options;
  const { problems, ...checked } = await new DeepCheck(stores, { signal }).run(manifests, blobs);
  return { problems: capped([...known, ...problems]), checked };
}

async function rootsOfDraft(draft: Draft, { stores, signal }: DeepOptions): Promise<Roots> {
  stores.registries.expect(
    draft.entries.flatMap(({ source }) =>
      source.kind === 'registry' ? [{ reference: source.reference, push: false }] : [],
    ),
  );
  const manifests = await Promise.all(
    draft.entries.map(async (entry, at) => {
      const place = { descriptor: descriptorOf(entry), pointer: pointerTo('manifests', at) };
      try {
        return { ...place, store: await stores.source(entry.source, { signal }) };
      } catch (thrown) {
        return { ...place, fault: withEntry(entry, thrown) };
      }
    }),
  );
  signal?.throwIfAborted();
  return { manifests, blobs: [] };
}

/** A layout or an archive that is not there is missing for each of its entries. */
function withEntry(entry: Entry, thrown: unknown): unknown {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  return new MlistError(thrown.code, `${describeEntry(entry)}: ${thrown.message}`, thrown.facts);
}

/** What cannot be read as a manifest points at nothing that could be looked at. */
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
