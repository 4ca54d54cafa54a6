import { errorCode, MlistError, type Problem } from '../../errors/errors.ts';
import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import type { ContentOptions, ReadStore } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { platformOfConfig } from '../../oci/manifest.ts';
import {
  isForeignLayerType,
  isImageConfigType,
  isIndexType,
  isManifestType,
  isServedAsManifest,
} from '../../oci/media-type.ts';
import { isUnknownPlatform, type Platform } from '../../oci/platform/platform.ts';
import { readImageConfig, readManifest, validateDocument } from '../../schema/documents.ts';
import { checkClaim } from '../../schema/rules/platform-claim.ts';
import { MAX_DEPTH } from '../../transfer/graph.ts';
import { error, warning } from '../../schema/problems.ts';
import type { Stores } from '../../store/open.ts';

/** This file checks all content below a list: manifests, configs and layers, each only once. */

/** Content to check, and the store to read it from. */
export interface Root {
  readonly descriptor: Descriptor;
  readonly store: ReadStore;
  /** JSON pointer to the descriptor in the checked document. Nested content has the pointer of the entry above it. */
  readonly pointer: string;
}

/** Content whose store does not exist or cannot be read. */
export interface UnreadableRoot extends Omit<Root, 'store'> {
  readonly fault: unknown;
}

export interface Checked {
  readonly problems: readonly Problem[];
  /** Number of different manifests that were checked. */
  readonly manifests: number;
  /** Number of different blobs that were checked. */
  readonly blobs: number;
}

/**
 * A problem of content. It lacks the position of the descriptor, because the same content may be listed several times.
 */
interface Finding {
  readonly severity: Problem['severity'];
  readonly rule: string;
  readonly message: string;
}

interface Below {
  readonly findings: readonly Finding[];
  readonly config?: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly children: readonly Descriptor[];
}

const nothingBelow: Below = { findings: [], layers: [], children: [] };

/** Maximum number of blobs that are read from layouts and archives concurrently. */
const READERS = 4;

export class DeepCheck {
  readonly #stores: Stores;
  readonly #options: ContentOptions;
  readonly #manifests = new Map<string, Promise<Below>>();
  readonly #blobs = new Map<string, Promise<readonly Finding[]>>();
  /** The configs that have been read, keyed by digest. */
  readonly #configs = new Map<Digest, Uint8Array>();
  readonly #readers = new Limiter(READERS);

  constructor(stores: Stores, options: ContentOptions) {
    this.#stores = stores;
    this.#options = options;
  }

  /**
   * Checks manifests and blobs with everything below them. A problem that several entries share is reported once.
   * @throws MlistError if a read fails for a reason other than missing or invalid content, such as a network error
   */
  async run(manifests: readonly (Root | UnreadableRoot)[], blobs: readonly Root[]): Promise<Checked> {
    const found = await Promise.all([
      ...manifests.map((root) => ('fault' in root ? lost(root) : this.#entry(root, []))),
      ...blobs.map(async (root) => placed(await this.#blob(root), root.pointer)),
    ]);
    const problems = withoutRepeats(found.flat());
    return { problems, manifests: this.#manifests.size, blobs: this.#blobs.size };
  }

  /** Checks an entry. Content with an unknown media type is looked up as a blob, then as a manifest. */
  async #entry(root: Root, above: readonly Digest[]): Promise<readonly Problem[]> {
    if (isServedAsManifest(root.descriptor.mediaType)) return this.#manifest(root, above);
    const findings = await this.#blob(root);
    const isAbsent = findings.some(({ rule }) => rule === 'E-ABSENT');
    const isManifest = isAbsent && (await root.store.hasManifest?.(root.descriptor.digest, this.#options)) === true;
    return isManifest ? this.#manifest(root, above) : placed(findings, root.pointer);
  }

  async #manifest({ descriptor, store, pointer }: Root, above: readonly Digest[]): Promise<readonly Problem[]> {
    if (above.includes(descriptor.digest) || above.length >= MAX_DEPTH) {
      const message = `${descriptor.digest} is listed inside itself, or nested more than ${MAX_DEPTH} levels deep`;
      return [error('W-NESTED', pointer, message)];
    }
    const { findings, config, layers, children } = await this.#once(this.#manifests, { descriptor, store }, () =>
      this.#read(store, descriptor),
    );
    const path = [...above, descriptor.digest];
    const below = await Promise.all([
      config === undefined ? [] : this.#config(config, { descriptor, store, pointer }),
      ...layers.map(async (layer) => placed(await this.#blob({ descriptor: layer, store }), pointer)),
      ...children.map((child) => this.#entry({ descriptor: child, store, pointer }, path)),
    ]);
    return [...placed(findings, pointer), ...below.flat()];
  }

  /**
   * Checks a manifest, and returns what it refers to. A cached manifest is not read again if the store can confirm that
   * it exists.
   */
  async #read(store: ReadStore, descriptor: Descriptor): Promise<Below> {
    const { digest, mediaType, size } = descriptor;
    try {
      const known = store.hasManifest === undefined ? undefined : await this.#stores.cache.get(digest);
      const isCached = known?.length === size;
      if (isCached && (await store.hasManifest?.(digest, this.#options)) === false) throw absent(store, digest);
      const bytes = isCached
        ? known
        : (await store.fetchManifest(digest, { ...this.#options, expected: descriptor })).bytes;
      if (!isIndexType(mediaType) && !isManifestType(mediaType)) return nothingBelow;
      const findings = validateDocument(bytes, { mediaType }).problems.map((problem): Finding => ({
        ...problem,
        message: `${digest}${at(problem)}: ${problem.message}`,
      }));
      if (findings.some(({ severity }) => severity === 'error')) return { ...nothingBelow, findings };
      const document = readManifest(bytes, mediaType, digest);
      if ('manifests' in document) return { findings, layers: [], children: document.manifests };
      const layers = document.layers.filter((layer) => !isForeignLayerType(layer.mediaType));
      return { findings, config: document.config, layers, children: [] };
    } catch (thrown) {
      return { ...nothingBelow, findings: [findingOf(thrown, 'manifest', digest)] };
    }
  }

  /** Checks a config. If the entry has a platform, also checks that it matches the platform in the config. */
  async #config(config: Descriptor, { descriptor, store, pointer }: Root): Promise<readonly Problem[]> {
    const { platform } = descriptor;
    const isClaimed = platform !== undefined && !isUnknownPlatform(platform);
    if (!isClaimed || !isImageConfigType(config.mediaType))
      return placed(await this.#blob({ descriptor: config, store }), pointer);
    const known = await this.#stores.cache.get(config.digest);
    const findings =
      known?.length === config.size
        ? await this.#blob({ descriptor: config, store })
        : await this.#once(this.#blobs, { descriptor: config, store }, () => this.#keep(config, store));
    if (findings.length > 0) return placed(findings, pointer);
    const bytes = known ?? this.#configs.get(config.digest) ?? (await store.fetchBlob(config, this.#options));
    return claimProblems(platform, bytes, config.digest, pointer);
  }

  #keep(config: Descriptor, store: ReadStore): Promise<readonly Finding[]> {
    return found(config.digest, async () => {
      this.#configs.set(config.digest, await store.fetchBlob(config, this.#options));
      return [];
    });
  }

  /** Checks a blob. In a registry, its size is looked up; in other stores, its bytes are read and verified. */
  #blob({ descriptor, store }: Omit<Root, 'pointer'>): Promise<readonly Finding[]> {
    return this.#once(this.#blobs, { descriptor, store }, () =>
      found(descriptor.digest, async () => {
        if (store.statedSize === undefined) {
          await this.#readers.run(() => drain(store.readBlob(descriptor, this.#options)));
          return [];
        }
        const size = await store.statedSize(descriptor, this.#options);
        if (size === undefined) throw absent(store, descriptor.digest);
        if (size === 'unknown' || size === descriptor.size) return [];
        const message = `${descriptor.digest} has ${size} bytes in ${store.location}, not ${descriptor.size}`;
        return [{ severity: 'error', rule: 'E-CONTENT', message }];
      }),
    );
  }

  #once<T>(
    memory: Map<string, Promise<T>>,
    { descriptor, store }: Omit<Root, 'pointer'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const { mediaType, digest, size } = descriptor;
    const key = `${store.location}@${digest} ${size} ${memory === this.#blobs ? '' : mediaType}`;
    return getOrCreate(memory, key, work);
  }
}

/** Keeps only the first of the problems that have the same rule and message. */
function withoutRepeats(problems: readonly Problem[]): readonly Problem[] {
  const reported = new Set<string>();
  return problems.filter(({ rule, message }) => {
    const isNew = !reported.has(`${rule} ${message}`);
    reported.add(`${rule} ${message}`);
    return isNew;
  });
}

async function found(digest: Digest, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (thrown) {
    return [findingOf(thrown, 'blob', digest)];
  }
}

function claimProblems(claimed: Platform, bytes: Uint8Array, digest: Digest, pointer: string): readonly Problem[] {
  try {
    const stated = platformOfConfig(readImageConfig(bytes, `the config ${digest}`, { mayLackPlatform: true }));
    if (stated !== undefined) return checkClaim(claimed, stated, `${pointer}/platform`);
    return [warning('E-PLAT-CONFIG', pointer, `the config ${digest} has no platform`)];
  } catch (thrown) {
    return placed([findingOf(thrown, 'blob', digest)], pointer);
  }
}

/** Returns the finding for invalid or missing content. Rethrows any other error, since the content was not checked. */
function findingOf(thrown: unknown, what: 'manifest' | 'blob', digest: Digest): Finding {
  const message = thrown instanceof MlistError ? thrown.message : '';
  switch (errorCode(thrown)) {
    case 'ERR_MLIST_NOT_FOUND':
      return { severity: 'error', rule: 'E-ABSENT', message: `the ${what} is missing: ${message}` };
    case 'ERR_MLIST_CONTENT_MISMATCH':
      return { severity: 'error', rule: 'E-CONTENT', message };
    case 'ERR_MLIST_DOCUMENT_INVALID':
      return { severity: 'error', rule: 'E-CONTENT', message: `${digest}: ${message}` };
    default:
      throw thrown;
  }
}

function absent({ location }: ReadStore, digest: Digest): MlistError {
  return new MlistError('ERR_MLIST_NOT_FOUND', `${location}@${digest} does not exist`);
}

/**
 * Returns the problem of content whose store cannot be opened. An error other than missing or invalid content rejects
 * the promise, which ends the whole check.
 */
async function lost({ descriptor, pointer, fault }: UnreadableRoot): Promise<readonly Problem[]> {
  const finding = await Promise.resolve(descriptor.digest).then((digest) => findingOf(fault, 'manifest', digest));
  return placed([finding], pointer);
}

function placed(findings: readonly Finding[], pointer: string): readonly Problem[] {
  return findings.map(({ rule, severity, message }) => ({ rule, severity, pointer, message }));
}

function at({ pointer }: Problem): string {
  return pointer === '' ? '' : ` at ${pointer}`;
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}
