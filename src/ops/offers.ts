import { errorCode } from '../errors.ts';
import type { Offer, OfferedList } from '../oci/clients/list.ts';
import { isAttestation, type Descriptor } from '../oci/descriptor.ts';
import { parseLocation } from '../oci/location.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType, isIndexType, isManifestType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { readImageConfig, readImageManifest, readIndex } from '../schema/document.ts';
import { contentOf, readChild, type Child, type Found, type ReadOptions } from './read.ts';

/** Indexes are opened to this depth, as the rules of a list allow (docs/rules.md, W-NESTED). */
const MAX_DEPTH = 4;
/** Documents beside the list that are read: many times what any list asks for. */
const MAX_READ = 256;

export interface OfferOptions extends ReadOptions {
  /** Whether it is of interest what stands behind an entry; default: always. */
  readonly opens?: ((descriptor: Descriptor) => boolean) | undefined;
}

/**
 * A list as clients meet it. What the list leaves open is looked up: the entries of an index in it, and what the config
 * of an image says that is listed without a platform. What cannot be read there is a fault of its entry, as it is to a
 * client; that nobody answers is an error.
 */
export async function readOffers(found: Found, options: OfferOptions): Promise<OfferedList> {
  const { descriptor, bytes } = contentOf(found);
  const reader = new OfferReader(found, options);
  if (!isIndexType(descriptor.mediaType)) {
    return { mediaType: descriptor.mediaType, entries: [await reader.open('1', descriptor, found.reference, 0)] };
  }
  const { manifests } = readIndex(bytes, descriptor.mediaType, found.reference);
  const entries = manifests.map((entry, at) => {
    const source = found.from === 'draft' ? found.draft.entries[at]?.source : undefined;
    return reader.open(String(at + 1), entry, source ?? found.reference, 0);
  });
  return { mediaType: descriptor.mediaType, entries: await Promise.all(entries) };
}

class OfferReader {
  readonly #found: Found;
  readonly #options: OfferOptions;
  #left = MAX_READ;

  constructor(found: Found, options: OfferOptions) {
    this.#found = found;
    this.#options = options;
  }

  async open(place: string, descriptor: Descriptor, source: string, depth: number): Promise<Offer> {
    const { mediaType, platform } = descriptor;
    const offer: Offer = { place, descriptor };
    const isSilent = platform === undefined && isManifestType(mediaType) && !isAttestation(descriptor);
    if (!isSilent && !isIndexType(mediaType)) return offer;
    if (this.#options.opens?.(descriptor) === false) return offer;
    try {
      if (isSilent) return { ...offer, ...(await this.#stated({ source, descriptor })) };
      return { ...offer, ...(await this.#inside(offer, source, depth)) };
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      return { ...offer, fault };
    }
  }

  async #inside(
    { place, descriptor }: Offer,
    source: string,
    depth: number,
  ): Promise<Pick<Offer, 'entries' | 'fault'>> {
    if (depth + 1 >= MAX_DEPTH) return { fault: 'it is an index too deep in others' };
    if (!this.#mayRead()) return { fault: TOO_MANY };
    const { bytes } = await readChild({ source, descriptor }, this.#options);
    const { manifests } = readIndex(bytes, descriptor.mediaType, descriptor.digest);
    const entries = await Promise.all(
      manifests.map((entry, at) => this.open(`${place}.${at + 1}`, entry, source, depth + 1)),
    );
    return { entries };
  }

  async #stated(child: Child): Promise<{ readonly stated?: Platform; readonly fault?: string }> {
    if (!this.#mayRead()) return { fault: TOO_MANY };
    const { digest, mediaType } = child.descriptor;
    const own = contentOf(this.#found);
    const { bytes } = own.descriptor.digest === digest ? own : await readChild(child, this.#options);
    const { config } = readImageManifest(bytes, mediaType, digest);
    if (!isImageConfigType(config.mediaType)) return {};
    const stated = platformOfConfig(readImageConfig(await this.#blob(child.source, config), `the config of ${digest}`));
    return stated === undefined ? {} : { stated };
  }

  async #blob(source: string, descriptor: Descriptor): Promise<Uint8Array> {
    const { cache, homes, signal } = this.#options;
    const known = await cache.get(descriptor.digest);
    if (known !== undefined) return known;
    const home = await (await homes()).source(parseLocation(source), { signal });
    return home.fetchBlob(descriptor, { signal });
  }

  #mayRead(): boolean {
    this.#left -= 1;
    return this.#left >= 0;
  }
}

const TOO_MANY = `it is not looked at: the list leads to more than ${MAX_READ} documents`;

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
