import { MlistError, type ErrorCode } from '../../errors/errors.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { JsonObject } from '../../json/json.ts';
import { readDocument } from '../../oci/children.ts';
import { EntryEdit } from './entry-edit.ts';
import type { EntrySet } from './entry-table.ts';
import type { Entry } from './index-entries.ts';
import { familyOf, factsOf, type ManifestFacts } from './manifest-facts.ts';
import type { BlobIdentity } from '../verify.ts';

/** Reads the blobs of a layout or an OCI archive. */
export interface ManifestBytes {
  /** Returns the size of a blob in bytes, or undefined if the blob does not exist. */
  size(digest: Digest): Promise<number | undefined> | number | undefined;
  bytes(blob: BlobIdentity): Promise<Uint8Array>;
}

/** The descriptor with which index.json, or an index that is stored as a blob, lists some content. */
export interface Claim {
  /**
   * The descriptor of the entry. Its media type and size may be wrong, especially in an index that is stored as a blob.
   */
  readonly descriptor: Descriptor;
  /** Whether the entry is in index.json itself, rather than in an index that is stored as a blob. */
  readonly isRoot: boolean;
}

export interface FindClaimsOptions {
  /** A manifest that is about to be removed. It gets no claim. If it is an index, its entries are ignored. */
  readonly removed?: Digest | undefined;
  /**
   * Whether a claim takes precedence over other claims for the same digest. Default: claims that list the content as a
   * manifest do.
   */
  readonly accepts?: ((claim: Claim) => boolean) | undefined;
}

/**
 * A manifest is skipped if reading it fails with one of these codes, because other tools leave damaged manifests in
 * layouts that are otherwise usable.
 */
const TOLERATED: readonly ErrorCode[] = [
  'ERR_MLIST_NOT_FOUND',
  'ERR_MLIST_DOCUMENT_INVALID',
  'ERR_MLIST_CONTENT_MISMATCH',
  'ERR_MLIST_DIGEST_INVALID',
];

/** Maximum number of manifests that are read concurrently. */
export const MAX_CONCURRENT_READS = 16;

const BIT = { index: 1, image: 2, other: 4 } as const;

/**
 * The manifests of a layout, and the content that they refer to. A manifest belongs to the layout if its blob exists
 * and an entry of index.json, or an index of the layout, lists it as a manifest. A blob that nothing lists as a
 * manifest is not treated as one, even if its bytes are a valid manifest.
 */
export class ManifestGraph {
  readonly #blobs: ManifestBytes;
  /**
   * The facts of the manifests that have been read, keyed by digest. The content of a digest never changes, so the
   * cache has no time limit.
   */
  readonly #known = new Map<Digest, ManifestFacts>();
  /** Maps each digest to the known indexes that list it. These indexes need not be listed themselves. */
  readonly #parents = new Map<Digest, Digest[]>();
  /** Entry sets whose readable indexes have all been read. */
  readonly #complete = new WeakSet<EntrySet>();
  /** Indexes that are listed, but missing or damaged. They are read again each time, because they may be repaired. */
  readonly #unreadable = new Set<Digest>();

  constructor(blobs: ManifestBytes) {
    this.#blobs = blobs;
  }

  /**
   * Returns the roots and all descriptors in the indexes below them. A digest occurs once for each family of media
   * types with which it is listed.
   */
  async allDescriptors(roots: Iterable<Descriptor>): Promise<readonly Descriptor[]> {
    const seen = new Map<Digest, number>();
    const all: Descriptor[] = [];
    let level: readonly Descriptor[] = [...roots];
    while (level.length > 0) {
      const nextLevel: Descriptor[] = [];
      for (const descriptor of level) {
        const { digest, mediaType } = descriptor;
        const family = familyOf(mediaType);
        const before = seen.get(digest) ?? 0;
        if ((before & BIT[family]) !== 0) continue;
        seen.set(digest, before | BIT[family]);
        all.push(descriptor);
        if (family !== 'index') continue;
        // Awaiting only the indexes that are not cached keeps this loop fast.
        for (const child of this.#known.get(digest)?.manifests ?? (await this.children(descriptor)))
          nextLevel.push(child);
      }
      level = nextLevel;
    }
    return all;
  }

  /**
   * Returns one claim for each of these digests that is listed, keyed by digest: the first one that `accepts` selects,
   * or else the first one. The listed blob may be missing. The graph records which indexes list a digest, so the cost
   * does not depend on the number of entries.
   */
  async findClaims(
    entries: EntrySet,
    digests: Iterable<Digest>,
    { removed, accepts = isManifestClaim }: FindClaimsOptions = {},
  ): Promise<Map<Digest, Claim>> {
    const claims = new Map<Digest, Claim>();
    const requested = [...digests];
    if (requested.length === 0) return claims;
    await this.readIndexes(entries);
    const reached = new Map<Digest, boolean>();
    for (const digest of requested) {
      if (digest === removed) continue;
      let found: Claim | undefined;
      for (const claim of this.#claims(entries, digest)) {
        const { descriptor, isRoot, parent } = claim;
        if (parent !== undefined && !this.#isIndex(entries, parent, removed, reached)) continue;
        found = accepts(claim) || found === undefined ? { descriptor: minimalDescriptor(descriptor), isRoot } : found;
        if (accepts(claim)) break;
      }
      if (found !== undefined) claims.set(digest, found);
    }
    return claims;
  }

  /** Returns the entries of an index. The result is empty if the content is not an index or cannot be read. */
  async children({ mediaType, digest }: Descriptor): Promise<readonly Descriptor[]> {
    return familyOf(mediaType) === 'index' ? ((await this.facts(digest))?.manifests ?? []) : [];
  }

  async subject({ mediaType, digest }: Descriptor): Promise<Descriptor | undefined> {
    return familyOf(mediaType) === 'other' ? undefined : (await this.facts(digest))?.subject;
  }

  /** Returns the documents of the listed manifests that have this subject, keyed by digest. */
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

  /**
   * Whether the blob with this digest is the config or a layer of a manifest, or is listed as something other than a
   * manifest.
   */
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

  /** Returns the facts about a manifest, or undefined if it does not exist or cannot be read. */
  async facts(digest: Digest): Promise<ManifestFacts | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const bytes = await this.#read(digest);
    return bytes && this.record(digest, bytes);
  }

  /**
   * Caches and returns the facts about a manifest, or returns undefined if the bytes are not a JSON object. The caller
   * must have verified the bytes.
   */
  record(digest: Digest, bytes: Uint8Array): ManifestFacts | undefined {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const facts = factsOf(bytes);
    if (facts === undefined) return undefined;
    this.#known.set(digest, facts);
    this.#unreadable.delete(digest);
    for (const child of new Set(facts.manifests.map((each) => each.digest))) {
      this.#parents.set(child, [...(this.#parents.get(child) ?? []), digest]);
    }
    return facts;
  }

  forget(digest: Digest): void {
    for (const child of this.#known.get(digest)?.manifests ?? []) {
      const others = this.#parents.get(child.digest)?.filter((parent) => parent !== digest) ?? [];
      if (others.length === 0) this.#parents.delete(child.digest);
      else this.#parents.set(child.digest, others);
    }
    this.#known.delete(digest);
    if (this.#parents.has(digest)) this.#unreadable.add(digest);
  }

  /**
   * Yields the claims for a digest: first the entries of index.json, then the entries of known indexes, which need not
   * be listed themselves.
   */
  *#claims(entries: EntrySet, digest: Digest): Generator<Claim & { readonly parent?: Digest }> {
    for (const { descriptor } of entries.withDigest(digest)) yield { descriptor, isRoot: true };
    for (const parent of this.#parents.get(digest) ?? []) {
      for (const descriptor of this.#known.get(parent)?.manifests ?? []) {
        if (descriptor.digest === digest) yield { descriptor, isRoot: false, parent };
      }
    }
  }

  /**
   * Whether index.json lists this digest as an index, directly or through other indexes. `reached` caches the results.
   */
  #isIndex(entries: EntrySet, digest: Digest, removed: Digest | undefined, reached: Map<Digest, boolean>): boolean {
    const known = digest === removed ? false : reached.get(digest);
    if (known !== undefined) return known;
    reached.set(digest, false);
    for (const { descriptor, parent } of this.#claims(entries, digest)) {
      if (familyOf(descriptor.mediaType) !== 'index') continue;
      if (parent !== undefined && !this.#isIndex(entries, parent, removed, reached)) continue;
      reached.set(digest, true);
      return true;
    }
    return false;
  }

  /** Reads all listed indexes that have not been read, so that `#parents` is complete. */
  async readIndexes(entries: EntrySet): Promise<void> {
    if (entries instanceof EntryEdit) {
      await this.readIndexes(entries.base);
      if (!entries.isEmpty) await this.#readIndexesIn([...entries.changed.values(), ...entries.added]);
      return;
    }
    if (!this.#complete.has(entries)) await this.#readIndexesIn(entries.all());
    else if (this.#unreadable.size > 0) {
      for (const digest of [...this.#unreadable])
        if ((await this.facts(digest)) !== undefined) this.#complete.delete(entries);
      if (!this.#complete.has(entries)) await this.#readIndexesIn(entries.all());
    }
    this.#complete.add(entries);
  }

  async #readIndexesIn(entries: readonly (Entry | undefined)[]): Promise<void> {
    const seen = new Set<Digest>();
    const pending = entries.flatMap((entry) => entry?.descriptor ?? []);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { digest, mediaType } = next;
      if (familyOf(mediaType) !== 'index' || seen.has(digest)) continue;
      seen.add(digest);
      const facts = this.#known.get(digest) ?? (await this.facts(digest));
      if (facts === undefined) this.#unreadable.add(digest);
      else for (const child of facts.manifests) if (familyOf(child.mediaType) === 'index') pending.push(child);
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

/** Whether a claim lists its content as a manifest. Every entry of index.json does, whatever its media type. */
export function isManifestClaim({ descriptor, isRoot }: Claim): boolean {
  return isRoot || familyOf(descriptor.mediaType) !== 'other';
}
