import { getOrCreate } from '../async/single-flight.ts';
import { errorCode } from '../errors/errors.ts';
import type { Candidate, CandidateList } from '../selection/candidates.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import type { Location } from '../oci/location.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { readImageManifest, readIndex } from '../schema/documents.ts';
import { contentOf, readChild, type Child, type LookupResult, type ReadOptions } from './lookup.ts';
import { statedPlatform } from './stated-platform.ts';

/** Indexes are opened to this depth, as the rules of a list allow (docs/rules.md, W-NESTED). */
const MAX_DEPTH = 4;
/** Entries that are looked into, and entries of indexes in the list: many times what any list asks for. */
const MAX_OPENED = 256;
const MAX_INNER = 10_000;

export interface CandidateOptions extends ReadOptions {
  /** Whether it is of interest what stands behind an entry; default: always. */
  readonly opens?: ((descriptor: Descriptor) => boolean) | undefined;
}

/**
 * A list as clients meet it. What the list leaves open is looked up: the entries of an index in it, and what the config
 * of an image says that is listed without a platform. What cannot be read there is a fault of its entry, as it is to a
 * client; that nobody answers is an error.
 */
export async function readCandidates(found: LookupResult, options: CandidateOptions): Promise<CandidateList> {
  const { descriptor, bytes } = contentOf(found);
  const reader = new OfferReader(found, options);
  if (!isIndexType(descriptor.mediaType)) {
    return { mediaType: descriptor.mediaType, entries: [await reader.open('1', descriptor, sourceOf(found, 0), 0)] };
  }
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  const entries = manifests.map((entry, at) => {
    return reader.open(String(at + 1), entry, sourceOf(found, at), 0);
  });
  return { mediaType: descriptor.mediaType, entries: await Promise.all(entries) };
}

/** Where an entry of what was found can be read from. */
function sourceOf(found: LookupResult, at: number): Location {
  if (found.from !== 'draft') return found.location;
  return found.draft.entries[at]?.source ?? { kind: 'registry', reference: found.draft.list, explicit: false };
}

class OfferReader {
  readonly #found: LookupResult;
  readonly #options: CandidateOptions;
  /** What several entries point to is read once. */
  readonly #stating = new Map<string, Promise<Stated>>();
  readonly #reading = new Map<string, Promise<readonly Descriptor[]>>();
  #opened = 0;
  #inner = 0;

  constructor(found: LookupResult, options: CandidateOptions) {
    this.#found = found;
    this.#options = options;
  }

  async open(place: string, descriptor: Descriptor, source: Location, depth: number): Promise<Candidate> {
    const { mediaType, platform } = descriptor;
    const offer: Candidate = { place, descriptor };
    const isSilent = platform === undefined && isManifestType(mediaType) && !isAttestation(descriptor);
    if (!isSilent && !isIndexType(mediaType)) return offer;
    if (this.#options.opens?.(descriptor) === false) return offer;
    this.#opened += 1;
    if (this.#opened > MAX_OPENED) return { ...offer, fault: TOO_MANY };
    try {
      const child = { source, descriptor };
      return { ...offer, ...(await (isSilent ? this.#stated(child) : this.#inside(place, child, depth))) };
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      return { ...offer, fault };
    }
  }

  async #inside(place: string, child: Child, depth: number): Promise<Pick<Candidate, 'entries' | 'fault'>> {
    if (depth + 1 >= MAX_DEPTH) return { fault: 'it is an index too deep in others' };
    const manifests = await getOrCreate(this.#reading, child.descriptor.digest, async () => {
      const { bytes } = await readChild(child, this.#options);
      return readIndex(bytes, child.descriptor.mediaType, child.descriptor.digest).manifests;
    });
    this.#inner += manifests.length;
    if (this.#inner > MAX_INNER) return { fault: TOO_MANY };
    const entries = manifests.map((entry, at) => this.open(`${place}.${at + 1}`, entry, child.source, depth + 1));
    return { entries: await Promise.all(entries) };
  }

  #stated(child: Child): Promise<Stated> {
    return getOrCreate(this.#stating, child.descriptor.digest, async () => {
      const { digest, mediaType } = child.descriptor;
      const own = contentOf(this.#found);
      const { bytes } = own.descriptor.digest === digest ? own : await readChild(child, this.#options);
      const { config } = readImageManifest(bytes, mediaType, digest);
      const stated = await statedPlatform(config, digest, () => this.#blob(child.source, config));
      return stated === undefined ? {} : { stated };
    });
  }

  async #blob(source: Location, descriptor: Descriptor): Promise<Uint8Array> {
    const { cache, stores, signal } = this.#options;
    const known = await cache.get(descriptor.digest);
    if (known !== undefined) return known;
    const store = await (await stores()).source(source, { signal });
    return store.fetchBlob(descriptor, { signal });
  }
}

interface Stated {
  readonly stated?: Platform;
}

const TOO_MANY = 'it is not looked at: the list leads to too many others';

/** What a client would stumble over as well; undefined for what is wrong with the way there. */
function faultOf(error: unknown): string | undefined {
  switch (errorCode(error)) {
    case 'ERR_MLIST_NOT_FOUND':
      return 'it is not there';
    case 'ERR_MLIST_DOCUMENT_INVALID':
      return 'it is no document that can be read';
    case 'ERR_MLIST_CONTENT_MISMATCH':
      return 'it is not what its entry says';
    default:
      return undefined;
  }
}
