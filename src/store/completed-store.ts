import { getOrCreate } from '../async/single-flight.ts';
import { asMlistError, errorCode, MlistError } from '../errors/errors.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigestName, type Digest } from '../oci/digest.ts';
import type { Location } from '../oci/location.ts';
import { isServedAsManifest } from '../oci/media-type.ts';
import {
  contentReference,
  type CompositeStore,
  type ContentOptions,
  type ContentReader,
  type FetchOptions,
  type ManifestContent,
  type ReadStore,
  type ReferrerLister,
  type TagOrDigest,
} from './store.ts';

/** A store that provides content that another store lacks. */
export interface Origin {
  /** The location of the store, without a tag or digest. */
  readonly location: Location;
  readonly store: ReadStore;
}

/** An origin that was asked for content, but did not provide it. */
export interface Attempt {
  readonly origin: Origin;
  /** The failure; undefined if the origin does not have the content. */
  readonly failure?: MlistError | undefined;
}

export interface CompletionOptions {
  /** Opens the origins. Called at most once, when the primary store first lacks content. */
  readonly origins: () => Promise<readonly Origin[]>;
  readonly probes: OriginProbes;
  /** Called before the first request to an origin. */
  readonly onAsk?: ((origin: Origin) => void) | undefined;
  /**
   * Called once for each manifest that an origin provides, and for each blob that an origin provides for a manifest
   * from another store.
   */
  readonly onFilled?: ((content: Descriptor, origin: Origin) => void) | undefined;
}

/**
 * Reads from a primary store. Content that the primary store lacks is read from the first of the origins that has it.
 * Before content is read from an origin, the existence and the size of the content are checked there; registries are
 * asked by HEAD. A registry that has a manifest is assumed to have the blobs of the manifest.
 */
export class CompletedStore implements ContentReader, CompositeStore {
  readonly location: string;
  readonly referrers?: ReferrerLister['referrers'];
  readonly #primary: ReadStore;
  readonly #options: CompletionOptions;
  readonly #holders = new Map<Digest, Promise<ReadStore | undefined>>();
  readonly #attempts = new Map<Origin, Attempt>();
  readonly #asked = new Set<Origin>();
  readonly #filled = new Set<Digest>();
  #origins: Promise<readonly Origin[]> | undefined;

  constructor(primary: ReadStore, options: CompletionOptions) {
    this.location = primary.location;
    this.#primary = primary;
    this.#options = options;
    if (primary.referrers !== undefined) this.referrers = primary.referrers.bind(primary);
  }

  /** The origins that lacked content, or could not be asked for it. */
  get attempts(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  /** Returns the origin that a store belongs to; undefined for the primary store. */
  async originOf(store: ContentReader): Promise<Origin | undefined> {
    return (await this.#origins)?.find((origin) => origin.store === store);
  }

  resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    return this.#primary.resolve(name, options);
  }

  async fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    const { expected, signal } = options;
    const known = isDigestName(name) ? await this.#holders.get(name) : undefined;
    if (known !== undefined) return known.fetchManifest(name, options);
    try {
      const content = await this.#primary.fetchManifest(name, options);
      this.#holders.set(content.descriptor.digest, Promise.resolve(this.#primary));
      return content;
    } catch (thrown) {
      if (errorCode(thrown) !== 'ERR_MLIST_NOT_FOUND' || expected?.digest !== name) throw thrown;
      const holding = this.#fromOrigin(expected, { signal });
      this.#holders.set(expected.digest, holding);
      const holder = await holding;
      if (holder === undefined) throw thrown;
      return holder.fetchManifest(name, options);
    }
  }

  async fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    const holder = await this.#blobHolder(descriptor, this.#primary, options);
    return (holder ?? this.#primary).fetchBlob(descriptor, options);
  }

  async *readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const holder = await this.#blobHolder(descriptor, this.#primary, options);
    yield* (holder ?? this.#primary).readBlob(descriptor, options);
  }

  holderOf(content: Descriptor, options: ContentOptions = {}): Promise<ReadStore | undefined> {
    return getOrCreate(this.#holders, content.digest, async () => {
      if (await hasItself(this.#primary, content, options)) return this.#primary;
      return this.#fromOrigin(content, options);
    });
  }

  async blobHolders(
    blobs: readonly Descriptor[],
    holder: ReadStore,
    options: ContentOptions = {},
  ): Promise<ReadonlyMap<Digest, ReadStore>> {
    const holders = await Promise.all(
      blobs.map(async (blob) => [blob.digest, await this.#blobHolder(blob, holder, options)] as const),
    );
    return new Map(holders.flatMap(([digest, store]) => (store === undefined ? [] : [[digest, store] as const])));
  }

  /**
   * Returns the store that has a blob of a manifest; undefined if no store has it. `holder` is the store that has the
   * manifest.
   */
  async #blobHolder(blob: Descriptor, holder: ReadStore, options: ContentOptions): Promise<ReadStore | undefined> {
    if (holder.storedSize === undefined || (await holder.storedSize(blob.digest)) !== undefined) return holder;
    if (holder !== this.#primary && (await this.#primary.storedSize?.(blob.digest)) !== undefined) return this.#primary;
    return this.#fromOrigin(blob, options);
  }

  async #fromOrigin(content: Descriptor, options: ContentOptions): Promise<ReadStore | undefined> {
    const { origins, probes, onAsk, onFilled } = this.#options;
    for (const origin of await (this.#origins ??= origins())) {
      if (!this.#asked.has(origin)) onAsk?.(origin);
      this.#asked.add(origin);
      const { isThere, failure } = await probes.probe(origin, content, options);
      if (isThere) {
        if (!this.#filled.has(content.digest)) onFilled?.(content, origin);
        this.#filled.add(content.digest);
        return origin.store;
      }
      if (this.#attempts.get(origin)?.failure === undefined) this.#attempts.set(origin, { origin, failure });
    }
    return undefined;
  }
}

interface Probe {
  /** The time of the probe, in milliseconds of `performance.now()`. */
  readonly at: number;
  readonly isThere: boolean;
  readonly failure?: MlistError | undefined;
}

/**
 * The time for which results are reused, in milliseconds: long enough for a command to ask once, and short enough for a
 * long-lived client to notice changes.
 */
const MAX_AGE_MS = 60_000;

/** Maximum number of results that are kept. */
const MAX_PROBES = 10_000;

/** Records which origins have which content, so that a command asks each origin only once for a manifest or blob. */
export class OriginProbes {
  readonly #probes = new Map<string, Promise<Probe>>();
  /** The last failed probe, keyed by the store of the origin. */
  readonly #failures = new WeakMap<ReadStore, Probe>();

  /**
   * Asks an origin whether it has content. Failures are returned, not thrown. After a failure other than a wrong size,
   * the origin is not asked for any content for `MAX_AGE_MS`.
   */
  async probe({ store }: Origin, content: Descriptor, options: ContentOptions): Promise<Probe> {
    const { digest, size, mediaType } = content;
    const key = `${store.location}@${digest} ${size} ${isServedAsManifest(mediaType) ? 'manifest' : 'blob'}`;
    const known = await this.#probes.get(key);
    if (known !== undefined && !isOutdated(known)) return known;
    if (known !== undefined) this.#probes.delete(key);
    if (this.#probes.size >= MAX_PROBES) this.#probes.clear();
    return getOrCreate(this.#probes, key, () => {
      const probing = this.#ask(store, content, options);
      probing.catch(() => this.#probes.delete(key));
      return probing;
    });
  }

  /**
   * Asks a store whether it has content. Failures are returned, not thrown.
   * @throws the reason of the signal if it is aborted
   */
  async #ask(store: ReadStore, content: Descriptor, options: ContentOptions): Promise<Probe> {
    const known = this.#failures.get(store);
    if (known !== undefined && !isOutdated(known)) return known;
    const at = performance.now();
    try {
      return { at, isThere: await hasInOrigin(store, content, options) };
    } catch (thrown) {
      options.signal?.throwIfAborted();
      const failed = { at, isThere: false, failure: asMlistError(thrown) };
      if (failed.failure.code !== 'ERR_MLIST_CONTENT_MISMATCH') this.#failures.set(store, failed);
      return failed;
    }
  }
}

function isOutdated({ at }: Probe): boolean {
  return performance.now() - at > MAX_AGE_MS;
}

/**
 * Whether an origin has content.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the size of the content differs from its descriptor
 */
async function hasInOrigin(store: ReadStore, content: Descriptor, options: ContentOptions): Promise<boolean> {
  const { digest, size, mediaType } = content;
  if (store.storedSize !== undefined) return requireSize(await store.storedSize(digest), content, store);
  const asManifest = async () => (await ignoreNotFound(store.resolve(digest, options)))?.size;
  if (isServedAsManifest(mediaType)) return requireSize(await asManifest(), content, store);
  const stated = await store.statedSize?.(content, options);
  return requireSize(stated === 'unknown' ? size : (stated ?? (await asManifest())), content, store);
}

function requireSize(stated: number | undefined, { digest, size }: Descriptor, { location }: ReadStore): boolean {
  if (stated === undefined || stated === size) return stated === size;
  const reference = contentReference(location, digest);
  throw new MlistError(
    'ERR_MLIST_CONTENT_MISMATCH',
    `${reference} has ${stated} bytes, but its descriptor states ${size}`,
    { reference },
  );
}

/**
 * Whether the primary store has content. Content of a wrong size is treated as present, because reading it fails later
 * with a precise error.
 */
async function hasItself(store: ReadStore, content: Descriptor, options: ContentOptions): Promise<boolean> {
  const { digest, mediaType } = content;
  if (store.storedSize !== undefined) return (await store.storedSize(digest)) !== undefined;
  const asManifest = async () => (await ignoreNotFound(store.resolve(digest, options))) !== undefined;
  const asBlob = async () => (await store.statedSize?.(content, options)) !== undefined;
  const [first, second] = isServedAsManifest(mediaType) ? [asManifest, asBlob] : [asBlob, asManifest];
  return (await first()) || (await second());
}
