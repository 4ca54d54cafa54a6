import { contentSource } from '../draft/draft.ts';
import { getOrCreate } from '../async/single-flight.ts';
import type { Candidate, CandidateList } from '../selection/candidates.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageManifest, readIndex } from '../schema/documents.ts';
import { contentFault, MAX_LIST_DEPTH, TOO_DEEP, TOO_MANY } from './content-fault.ts';
import { contentOf, readChild, type Child, type ContentAccess, type LookupResult } from './lookup.ts';
import { statedPlatform } from './stated-platform.ts';

/**
 * Limits on the number of entries whose content is read, and on the number of entries in nested indexes. Real lists
 * have far fewer.
 */
const MAX_OPENED = 256;
const MAX_INNER = 10_000;

export interface CandidateOptions extends ContentAccess {
  /** Whether to read a nested index, or an image that is listed without a platform. Default: all of them are read. */
  readonly opens?: ((descriptor: Descriptor) => boolean) | undefined;
}

/**
 * Returns the candidates in a list, including the entries of nested indexes, or the only candidate if the content is a
 * single image. If an image is listed without a platform, its platform is read from the config. A candidate has a
 * `fault` if its content is missing or invalid (clients fail on it, too), or is not read because a limit is exceeded.
 * @throws MlistError if the list itself is invalid, or if content cannot be read for another reason, such as a network
 * error
 */
export async function readCandidates(found: LookupResult, options: CandidateOptions): Promise<CandidateList> {
  const { descriptor, bytes } = contentOf(found);
  const reader = new CandidateReader(found, options);
  if (!isIndexType(descriptor.mediaType)) {
    return { mediaType: descriptor.mediaType, entries: [await reader.open('1', descriptor, sourceOf(found, 0), 0)] };
  }
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  const entries = manifests.map((entry, at) => {
    return reader.open(String(at + 1), entry, sourceOf(found, at), 0);
  });
  return { mediaType: descriptor.mediaType, entries: await Promise.all(entries) };
}

/** The location from which an entry is read, and the locations of content that this location lacks. */
export type EntrySource = Pick<Child, 'source' | 'fill'>;

/** Returns the locations from which the entry at index `at` of a list is read. */
export function sourceOf(found: LookupResult, at: number): EntrySource {
  if (found.from !== 'draft') return { source: found.location };
  const entry = found.draft.entries[at];
  return entry === undefined
    ? { source: { kind: 'registry', reference: found.draft.list, explicit: false } }
    : { source: contentSource(entry), fill: entry.fill };
}

class CandidateReader {
  readonly #found: LookupResult;
  readonly #options: CandidateOptions;
  /** Results keyed by digest, so that content to which several entries refer is read only once. */
  readonly #platforms = new Map<string, Promise<Stated>>();
  readonly #indexes = new Map<string, Promise<readonly Descriptor[]>>();
  #opened = 0;
  #inner = 0;

  constructor(found: LookupResult, options: CandidateOptions) {
    this.#found = found;
    this.#options = options;
  }

  async open(place: string, descriptor: Descriptor, { source, fill }: EntrySource, depth: number): Promise<Candidate> {
    const { mediaType, platform } = descriptor;
    const candidate: Candidate = { place, descriptor };
    const isSilent = platform === undefined && isManifestType(mediaType) && !isAttestation(descriptor);
    if (!isSilent && !isIndexType(mediaType)) return candidate;
    if (this.#options.opens?.(descriptor) === false) return candidate;
    this.#opened += 1;
    if (this.#opened > MAX_OPENED) return { ...candidate, fault: TOO_MANY };
    try {
      const child = { source, fill, descriptor };
      return { ...candidate, ...(await (isSilent ? this.#stated(child) : this.#nested(place, child, depth))) };
    } catch (error) {
      const fault = contentFault(error);
      if (fault === undefined) throw error;
      return { ...candidate, fault };
    }
  }

  async #nested(place: string, child: Child, depth: number): Promise<Pick<Candidate, 'entries' | 'fault'>> {
    if (depth + 1 >= MAX_LIST_DEPTH) return { fault: TOO_DEEP };
    const manifests = await getOrCreate(this.#indexes, child.descriptor.digest, async () => {
      const { bytes } = await readChild(child, this.#options);
      return readIndex(bytes, child.descriptor.mediaType, child.descriptor.digest).manifests;
    });
    this.#inner += manifests.length;
    if (this.#inner > MAX_INNER) return { fault: TOO_MANY };
    const entries = manifests.map((entry, at) => this.open(`${place}.${at + 1}`, entry, child, depth + 1));
    return { entries: await Promise.all(entries) };
  }

  #stated(child: Child): Promise<Stated> {
    return getOrCreate(this.#platforms, child.descriptor.digest, async () => {
      const { digest, mediaType } = child.descriptor;
      const own = contentOf(this.#found);
      const { bytes } = own.descriptor.digest === digest ? own : await readChild(child, this.#options);
      const { config } = readImageManifest(bytes, mediaType, digest);
      const stated = await statedPlatform(config, digest, () => this.#blob(child, config));
      return stated === undefined ? {} : { stated };
    });
  }

  async #blob({ source, fill }: EntrySource, descriptor: Descriptor): Promise<Uint8Array> {
    const { cache, stores, signal } = this.#options;
    const known = await cache.get(descriptor.digest);
    if (known !== undefined) return known;
    const store = await (await stores()).source(source, { fill, signal });
    return store.fetchBlob(descriptor, { signal });
  }
}

interface Stated {
  readonly stated?: Platform;
}
