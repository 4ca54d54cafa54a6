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

/** Completes sources that lack content (docs/decisions/0074-filling-sparse-indexes.md). */

/** Refuse a sparse index, leave its missing images out, or read them from where they came from. */
export type MissingChoice = 'refuse' | 'skip' | 'fill';

/** The policy for content that an index lists but its location lacks. */
export interface MissingPolicy {
  /** How missing content is handled. Default: `refuse`. */
  readonly missing?: MissingChoice | undefined;
  /**
   * With `fill`: where missing content is read from, in this order. Default: the repositories that the source names.
   */
  readonly fillFrom?: readonly Location[] | undefined;
  /**
   * Hosts that the user has named, for example that of the target. A source may name them even if they are internal.
   */
  readonly namedHosts?: readonly string[] | undefined;
}

export interface CompletionContext extends MissingPolicy {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/** A source that was read. */
export interface IncompleteSource {
  readonly location: Location;
  readonly store: ReadStore;
  readonly content: ManifestContent;
  /** Other sources that have the same content, which are tried before registries. Default: none. */
  readonly parts?: readonly Origin[] | undefined;
}

/**
 * The store of a source, completed by its parts and, with `fill`, by its origins. Origins are opened only when content
 * is missing. Each is reported before the first request to it.
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

/** The event before the first request to an origin. */
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
 * The repositories that a source names. Those on this machine or at a private address are left out with a warning,
 * unless the user has named the host: an archive must not make mlist send requests into the network of its user.
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
      `${formatLocation(location)} names ${name} as the origin of its content. mlist does not read from it, because ` +
      `its host is this machine or has a private address; to allow it, use --fill-from ${name}`;
    onEvent?.({ type: 'warning', message });
    return [];
  });
}

/** The annotations of the descriptors in a manifest. Builders record in them where a layer came from. */
function annotationsIn({ bytes }: ManifestContent): readonly (Annotations | undefined)[] {
  const { manifests, layers } = readDocument(bytes);
  const descriptors = [manifests, layers].flatMap((each) => (Array.isArray(each) ? (each as readonly Json[]) : []));
  return descriptors.map((one) => annotationsOf(one).annotations);
}

/**
 * The repository, layout or archive of a location. Missing content is looked up by its digest, so a tag has no meaning.
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

/** The origins for the `fill` of a draft's entry: those of the stores that have its content. */
export async function originsAmong(store: ReadStore, holders: Iterable<ReadStore>): Promise<readonly Origin[]> {
  if (!(store instanceof CompletedStore)) return [];
  const origins = await Promise.all([...holders].map((holder) => store.originOf(holder)));
  return origins.flatMap((origin) => origin ?? []);
}

/** Opens the source of a draft's entry, completed by the locations in its `fill`. */
export async function entrySource(
  entry: Entry,
  { stores, signal, onEvent }: Pick<CompletionContext, 'stores' | 'signal' | 'onEvent'>,
): Promise<ReadStore> {
  const { fill } = entry;
  const name = sourceName(entry);
  return stores.source(contentSource(entry), { fill, signal, onAsk: (origin) => onEvent?.(asking(origin, name)) });
}

/**
 * The next step for content that could not be completed. It names the sources that do not have the content, and
 * suggests another one.
 */
export function afterAttempts(store: ReadStore): NextStep {
  const attempts = store instanceof CompletedStore ? store.attempts : [];
  if (attempts.length === 0) return { remedy: { kind: 'fill-from', isAnother: false } };
  const texts = attempts.map(({ origin, failure }) => {
    const why = failure === undefined ? 'does not have it' : failure.message;
    return `${formatLocation(origin.location)} (${why})`;
  });
  return { hint: `Asked: ${texts.join('; ')}.`, remedy: { kind: 'fill-from', isAnother: true } };
}
