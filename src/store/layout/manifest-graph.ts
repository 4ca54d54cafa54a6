import { MlistError, type ErrorCode } from '../../errors/errors.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { JsonObject } from '../../json/json.ts';
import { readDocument } from '../../oci/children.ts';
import { familyOf, factsOf, type ManifestFacts } from './manifest-facts.ts';
import type { BlobIdentity } from '../verify.ts';

/** The blobs of a layout, which is a folder or an archive. */
export interface ManifestBytes {
  /** Size of a blob in bytes; undefined if it does not exist. */
  size(digest: Digest): Promise<number | undefined> | number | undefined;
  bytes(blob: BlobIdentity): Promise<Uint8Array>;
}

/** A descriptor that lists content: an entry of index.json, or of an index. */
export interface Claim {
  /** Media type and size are as stated there. Those in an index may be wrong; those in index.json only if it is damaged. */
  readonly descriptor: Descriptor;
  /** Whether it is an entry of index.json. */
  readonly isRoot: boolean;
}

export interface FindClaimsOptions {
  /** A manifest that is about to be removed: its entries are ignored. */
  readonly removed?: Digest | undefined;
  /** The claims to prefer. Default: claims of manifests. */
  readonly accepts?: ((claim: Claim) => boolean) | undefined;
}

/** Errors of manifests that do not make the rest of the layout unusable; other tools leave such manifests. */
const TOLERATED: readonly ErrorCode[] = [
  'ERR_MLIST_NOT_FOUND',
  'ERR_MLIST_DOCUMENT_INVALID',
  'ERR_MLIST_CONTENT_MISMATCH',
  'ERR_MLIST_DIGEST_INVALID',
];

/** Limit for manifests that are read concurrently. */
export const MAX_CONCURRENT_READS = 16;

const BIT = { index: 1, image: 2, other: 4 } as const;

/**
 * The manifests of a layout and their links. A manifest belongs to the layout if its blob exists and an entry of index.json,
 * or an index of the layout, lists it as a manifest. A blob that only looks like a manifest does not count.
 */
export class ManifestGraph {
  readonly #blobs: ManifestBytes;
  /** Facts by digest never change, so they are cached. */
  readonly #known = new Map<Digest, ManifestFacts>();

  constructor(blobs: ManifestBytes) {
    this.#blobs = blobs;
  }

  /** All listed descriptors: a digest occurs once for each family of media types that is claimed for it. */
  async allDescriptors(roots: Iterable<Descriptor>): Promise<readonly Descriptor[]> {
    const all: Descriptor[] = [];
    await this.#walk(roots, (descriptor) => {
      all.push(descriptor);
      return false;
    });
    return all;
  }

  /** Finds a claim for each of these digests that is listed, preferably an accepted one. Blobs may be missing. */
  async findClaims(
    roots: Iterable<Descriptor>,
    digests: Iterable<Digest>,
    { removed, accepts = isManifestClaim }: FindClaimsOptions = {},
  ): Promise<Map<Digest, Claim>> {
    const remaining = new Set(digests);
    const claims = new Map<Digest, Claim>();
    if (remaining.size === 0) return claims;
    const visit = (descriptor: Descriptor, isRoot: boolean): boolean => {
      const { digest } = descriptor;
      if (!remaining.has(digest)) return false;
      const claim = { descriptor: minimalDescriptor(descriptor), isRoot };
      const isAccepted = accepts(claim);
      if (isAccepted || !claims.has(digest)) claims.set(digest, claim);
      if (isAccepted) remaining.delete(digest);
      return remaining.size === 0;
    };
    await this.#walk(roots, visit, removed);
    return claims;
  }

  /** The entries of an index; empty if the content is not an index or cannot be read. */
  async children({ mediaType, digest }: Descriptor): Promise<readonly Descriptor[]> {
    return familyOf(mediaType) === 'index' ? ((await this.facts(digest))?.manifests ?? []) : [];
  }

  async subject({ mediaType, digest }: Descriptor): Promise<Descriptor | undefined> {
    return familyOf(mediaType) === 'other' ? undefined : (await this.facts(digest))?.subject;
  }

  /** The manifests with this subject, by digest, with their documents. */
  async referrers(roots: Iterable<Descriptor>, subject: Digest): Promise<ReadonlyMap<Digest, JsonObject>> {
    const documents = new Map<Digest, JsonObject>();
    for (const descriptor of await this.allDescriptors(roots)) {
      const { digest } = descriptor;
      if (documents.has(digest) || (await this.subject(descriptor))?.digest !== subject) continue;
      const bytes = await this.#read(digest);
      if (bytes !== undefined) documents.set(digest, readDocument(bytes));
    }
    return documents;
  }

  /** Whether a manifest has the digest as its config or a layer, or an index lists it as something other than a manifest. */
  async isNeeded(roots: Iterable<Descriptor>, digest: Digest): Promise<boolean> {
    const all = await this.allDescriptors(roots);
    const others = all.filter(({ mediaType }) => familyOf(mediaType) === 'other');
    if (others.some((other) => other.digest === digest)) return true;
    const manifests = all.filter(({ mediaType }) => familyOf(mediaType) !== 'other');
    for (let at = 0; at < manifests.length; at += MAX_CONCURRENT_READS) {
      const batch = manifests.slice(at, at + MAX_CONCURRENT_READS).map((manifest) => this.facts(manifest.digest));
      if ((await Promise.all(batch)).some((facts) => facts?.blobs.includes(digest) === true)) return true;
    }
    return false;
  }

  /** Undefined if the manifest does not exist or cannot be read. */
  async facts(digest: Digest): Promise<ManifestFacts | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const bytes = await this.#read(digest);
    return bytes && this.record(digest, bytes);
  }

  /** Caches the facts of verified bytes. */
  record(digest: Digest, bytes: Uint8Array): ManifestFacts | undefined {
    const known = this.#known.get(digest) ?? factsOf(bytes);
    if (known !== undefined) this.#known.set(digest, known);
    return known;
  }

  forget(digest: Digest): void {
    this.#known.delete(digest);
  }

  /**
   * Visits all listed descriptors breadth first, until `visit` returns true. A digest is visited once for each family of
   * media types that is claimed for it, so that a false claim does not hide a true one. This runs for every request of the
   * embedded registry, so it awaits only indexes that are not cached.
   */
  async #walk(
    roots: Iterable<Descriptor>,
    visit: (descriptor: Descriptor, isRoot: boolean) => boolean,
    removed?: Digest,
  ): Promise<void> {
    const seen = new Map<Digest, number>();
    let level: readonly Descriptor[] = [...roots];
    for (let isRoot = true; level.length > 0; isRoot = false) {
      const nextLevel: Descriptor[] = [];
      for (const descriptor of level) {
        const { digest, mediaType } = descriptor;
        const family = familyOf(mediaType);
        const before = seen.get(digest) ?? 0;
        if (digest === removed || (before & BIT[family]) !== 0) continue;
        seen.set(digest, before | BIT[family]);
        if (visit(descriptor, isRoot)) return;
        if (family !== 'index') continue;
        const children = this.#known.get(digest)?.manifests ?? (await this.children(descriptor));
        for (const child of children) nextLevel.push(child);
      }
      level = nextLevel;
    }
  }

  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    try {
      const size = await this.#blobs.size(digest);
      return size === undefined ? undefined : await this.#blobs.bytes({ digest, size });
    } catch (error) {
      if (error instanceof MlistError && TOLERATED.includes(error.code)) return undefined;
      throw error;
    }
  }
}

/** Whether a claim lists its content as a manifest. */
export function isManifestClaim({ descriptor, isRoot }: Claim): boolean {
  return isRoot || familyOf(descriptor.mediaType) !== 'other';
}
