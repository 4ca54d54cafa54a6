import type { NextStep } from '../../errors/errors.ts';
import { contentSource, sourceName, type Entry } from '../../draft/draft.ts';
import { annotationsOf, readDocument } from '../../oci/children.ts';
import { isAttestation, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Json } from '../../json/json.ts';
import { formatLocation, hasPath, sameStore, type Location } from '../../oci/location.ts';
import { isImageConfigType, isIndexType, isServedAsManifest } from '../../oci/media-type.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { repositoryName, type Reference } from '../../oci/reference.ts';
import { CompletedStore, type Origin } from '../../store/completed-store.ts';
import type { Stores } from '../../store/open.ts';
import { isInternalHost, MAX_ORIGINS, originsIn } from '../../store/origins.ts';
import type { ManifestContent, ReadStore } from '../../store/store.ts';
import type { Filled, OnEvent, OperationEvent } from '../events.ts';

/** This file completes sources that lack content (docs/decisions/0074-filling-sparse-indexes.md). */

/** How to handle a sparse index: refuse it, leave its missing images out, or read them from other locations. */
export type MissingChoice = 'refuse' | 'skip' | 'fill';

/** How to handle content that an index lists but its location does not have. */
export interface MissingPolicy {
  /** How missing content is handled. Default: `refuse`. */
  readonly missing?: MissingChoice | undefined;
  /**
   * With `fill`: the locations to read missing content from, in this order. Default: the repositories that the source
   * records as the origins of its content.
   */
  readonly fillFrom?: readonly Location[] | undefined;
  /**
   * Hosts that the user has named, for example the host of the target. Missing content may be read from them even if
   * they are internal.
   */
  readonly namedHosts?: readonly string[] | undefined;
}

export interface CompletionContext extends MissingPolicy {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/** A source that may lack content. */
export interface IncompleteSource {
  readonly location: Location;
  readonly store: ReadStore;
  readonly content: ManifestContent;
  /** Other sources that have the same index. They are tried before all other locations. Default: none. */
  readonly parts?: readonly Origin[] | undefined;
}

/**
 * Returns a store that reads from the source. Content that the source lacks is read from `parts` or, with `fill`, from
 * the locations in `fillFrom` (default: the origins that the source records). Locations other than `parts` are opened
 * only if content is missing, and each is reported before the first request to it.
 */
export function completeSource(source: IncompleteSource, context: CompletionContext): ReadStore {
  const { location, store, parts = [] } = source;
  const { stores, missing, onEvent } = context;
  if (missing !== 'fill' && parts.length === 0) return store;
  const origins = async (): Promise<readonly Origin[]> => {
    const filling = missing === 'fill' ? await originsOf(source, context) : [];
    return [...parts, ...filling.filter((origin) => !sameStore(origin.location, location))];
  };
  const name = formatLocation(location);
  return new CompletedStore(store, {
    origins,
    probes: stores.probes,
    onAsk: (origin) => {
      if (!parts.includes(origin)) onEvent?.(asking(origin, name));
    },
    onFilled: (content, origin) => {
      if (!parts.includes(origin)) onEvent?.({ type: 'filled', ...filledBy(content, origin) });
    },
  });
}

/** Returns the event to emit before the first request to an origin. */
function asking({ location }: Origin, source: string): OperationEvent {
  return { type: 'origin', reference: formatLocation(location), source };
}

function filledBy(content: Descriptor, { location }: Origin): Filled {
  const what = kindOf(content);
  const { digest, platform } = content;
  const isStated = what === 'image' && platform !== undefined;
  return {
    what,
    digest,
    ...(isStated ? { platform: formatPlatform(platform, { all: true }) } : {}),
    source: formatLocation(location),
  };
}

function kindOf(content: Descriptor): Filled['what'] {
  if (isAttestation(content)) return 'attestation';
  if (isIndexType(content.mediaType)) return 'index';
  if (isServedAsManifest(content.mediaType)) return 'image';
  return isImageConfigType(content.mediaType) ? 'config' : 'layer';
}

async function originsOf(source: IncompleteSource, context: CompletionContext): Promise<readonly Origin[]> {
  const { stores, fillFrom, signal } = context;
  const locations = fillFrom?.map(withoutName) ?? (await namedOrigins(source, context)).map(repositoryLocation);
  stores.expect({ read: locations });
  return stores.origins(locations, { signal });
}

/**
 * Returns the repositories that a source names as its origins. Unless the user has named the host, repositories on this
 * machine or at a private address are left out with a warning, because an archive must not make mlist send requests to
 * internal hosts.
 */
async function namedOrigins(
  { location, store, content }: IncompleteSource,
  { namedHosts = [], onEvent }: CompletionContext,
): Promise<readonly Reference[]> {
  const { digest } = content.descriptor;
  const listed = originsIn(annotationsIn(content));
  const all = new Map<string, Reference>();
  for (const reference of [...((await store.origins?.(digest)) ?? []), ...listed])
    all.set(repositoryName(reference), reference);
  return [...all].slice(0, MAX_ORIGINS).flatMap(([name, reference]) => {
    if (!isInternalHost(reference.domain) || namedHosts.includes(reference.domain)) return [reference];
    const message =
      `${formatLocation(location)} names ${name} as the origin of its content, but mlist does not read from this repository, ` +
      `because its host is this machine or has a private address. To allow it, use --fill-from ${name}`;
    onEvent?.({ type: 'warning', message });
    return [];
  });
}

/** Returns the annotations of the descriptors in a manifest. Builders record in them where a layer came from. */
function annotationsIn({ bytes }: ManifestContent): readonly (Annotations | undefined)[] {
  const { manifests, layers } = readDocument(bytes);
  const descriptors = [manifests, layers].flatMap((each) => (Array.isArray(each) ? (each as readonly Json[]) : []));
  return descriptors.map((one) => annotationsOf(one).annotations);
}

/**
 * Removes the tag and digest from the location of a repository, layout or archive, because missing content is looked up
 * by its own digest.
 */
export function withoutName(location: Location): Location {
  if (hasPath(location)) return { kind: location.kind, path: location.path };
  if (location.kind !== 'registry') return location;
  const { domain, path } = location.reference;
  return repositoryLocation({ domain, path });
}

function repositoryLocation(reference: Reference): Location {
  return { kind: 'registry', reference, explicit: true };
}

/**
 * Returns the origins of `store` that are among the holders of an entry's content. The array is empty if `store` is not
 * a completed store.
 */
export async function originsAmong(store: ReadStore, holders: Iterable<ReadStore>): Promise<readonly Origin[]> {
  if (!(store instanceof CompletedStore)) return [];
  const origins = await Promise.all([...holders].map((holder) => store.originOf(holder)));
  return origins.flatMap((origin) => origin ?? []);
}

/** Opens the source of an entry. Content that it lacks is read from the locations in `fill`. */
export async function entrySource(
  entry: Entry,
  { stores, signal, onEvent }: Pick<CompletionContext, 'stores' | 'signal' | 'onEvent'>,
): Promise<ReadStore> {
  const { fill } = entry;
  const name = sourceName(entry);
  return stores.source(contentSource(entry), { fill, signal, onAsk: (origin) => onEvent?.(asking(origin, name)) });
}

/**
 * Returns the next step if missing content was not found elsewhere: to specify a location or, if locations were already
 * tried, another one. In the latter case, the hint lists the locations that were tried.
 */
export function afterAttempts(store: ReadStore): NextStep {
  const attempts = store instanceof CompletedStore ? store.attempts : [];
  if (attempts.length === 0) return { remedy: { kind: 'fill-from', isAnother: false } };
  const texts = attempts.map(({ origin, failure }) => {
    const reason = failure === undefined ? 'not found' : failure.message;
    return `${formatLocation(origin.location)} (${reason})`;
  });
  return { hint: `Tried: ${texts.join('; ')}.`, remedy: { kind: 'fill-from', isAnother: true } };
}
