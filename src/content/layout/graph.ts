import { MlistError, type ErrorCode } from '../../errors.ts';
import { bareDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { JsonObject } from '../../oci/json.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { linksOf, readDocument, referrerOf, type Links } from '../../oci/links.ts';
import type { Identity } from './verified.ts';

/** Where the bytes of manifests come from: a folder or an archive. */
export interface ManifestBytes {
  bytes(blob: Identity): Promise<Uint8Array>;
}

/** What may be wrong with a manifest that another tool left in the layout without the rest being useless. */
const TOLERATED: readonly ErrorCode[] = [
  'ERR_MLIST_NOT_FOUND',
  'ERR_MLIST_DOCUMENT_INVALID',
  'ERR_MLIST_CONTENT_MISMATCH',
  'ERR_MLIST_DIGEST_INVALID',
];

/**
 * The manifests of a layout and what they point at. A manifest is in the layout if an entry of index.json names it or an
 * index that is in the layout lists it, and its blob is there; a blob that merely looks like a manifest is not one.
 */
export class ManifestGraph {
  readonly #blobs: ManifestBytes;
  /** A digest stands for the same bytes for ever, so what was read once is kept. */
  readonly #known = new Map<Digest, Links>();

  constructor(blobs: ManifestBytes) {
    this.#blobs = blobs;
  }

  /**
   * Everything that is named, each digest once: the roots first, then the entries of their indexes, and so on down.
   * @param gone a manifest that is about to be removed: what only it lists is not named
   */
  async *reachable(roots: Iterable<Descriptor>, gone?: Digest): AsyncGenerator<Descriptor> {
    const seen = new Set<Digest>(gone === undefined ? [] : [gone]);
    let level = [...roots];
    while (level.length > 0) {
      const below: Descriptor[] = [];
      for (const descriptor of level) {
        if (seen.has(descriptor.digest)) continue;
        seen.add(descriptor.digest);
        yield bareDescriptor(descriptor);
        if (isIndexType(descriptor.mediaType)) below.push(...(await this.children(descriptor)));
      }
      level = below;
    }
  }

  /** The named ones among these digests, whether or not their blobs are there. */
  async named(roots: Iterable<Descriptor>, digests: Iterable<Digest>, gone?: Digest): Promise<Map<Digest, Descriptor>> {
    const wanted = new Set(digests);
    const found = new Map<Digest, Descriptor>();
    for await (const descriptor of this.reachable(roots, gone)) {
      if (wanted.has(descriptor.digest)) found.set(descriptor.digest, descriptor);
      if (found.size === wanted.size) break;
    }
    return found;
  }

  /** The entries of an index; none where it is no index or cannot be read. */
  async children(descriptor: Descriptor): Promise<readonly Descriptor[]> {
    return (await this.#links(descriptor))?.manifests ?? [];
  }

  /** What a manifest says that it is about. */
  async subject(descriptor: Descriptor): Promise<Descriptor | undefined> {
    return (await this.#links(descriptor))?.subject;
  }

  /** Manifests whose subject is the digest, as the referrers API lists them. */
  async referrers(roots: Iterable<Descriptor>, subject: Digest): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for await (const descriptor of this.reachable(roots)) {
      if ((await this.#links(descriptor))?.subject?.digest !== subject) continue;
      const document = await this.#document(descriptor);
      if (document !== undefined) found.push(referrerOf(descriptor, document));
    }
    return found;
  }

  forget(digest: Digest): void {
    this.#known.delete(digest);
  }

  async #links(descriptor: Descriptor): Promise<Links | undefined> {
    const known = this.#known.get(descriptor.digest);
    if (known !== undefined) return known;
    const document = await this.#document(descriptor);
    const links = document && (await tolerant(() => linksOf(document, descriptor.mediaType)));
    if (links !== undefined) this.#known.set(descriptor.digest, withoutBlobs(links));
    return links;
  }

  async #document(descriptor: Descriptor): Promise<JsonObject | undefined> {
    if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return undefined;
    return await tolerant(async () => readDocument(await this.#blobs.bytes(descriptor)));
  }
}

/** Layers are never asked for again, and there may be many. */
function withoutBlobs(links: Links): Links {
  return { ...links, blobs: [] };
}

async function tolerant<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MlistError && TOLERATED.includes(error.code)) return undefined;
    throw error;
  }
}
