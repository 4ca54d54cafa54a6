import { MlistError, type ErrorCode } from '../../errors/errors.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { JsonObject } from '../../json/json.ts';
import { readDocument } from '../../oci/children.ts';
import { familyOf, factsOf, type ManifestFacts } from './manifest-facts.ts';
import type { BlobIdentity } from '../verify.ts';

/** Where the bytes of manifests come from: a folder or an archive. */
export interface ManifestBytes {
  /** Length of a blob; undefined where there is none. */
  size(digest: Digest): Promise<number | undefined> | number | undefined;
  bytes(blob: BlobIdentity): Promise<Uint8Array>;
}

/** A descriptor that names content: an entry of index.json, or an entry of an index. */
export interface Claim {
  /** Media type and size are what the descriptor says: true of index.json, unless it is damaged, but not of any index. */
  readonly descriptor: Descriptor;
  /** It is an entry of index.json. */
  readonly isRoot: boolean;
}

export interface FindClaimsOptions {
  /** A manifest that is about to be removed: what only it lists is not named. */
  readonly gone?: Digest | undefined;
  /** The claim to look for. Default: one that names a manifest. */
  readonly accepts?: ((claim: Claim) => boolean) | undefined;
}

/** What may be wrong with a manifest that another tool left in the layout without the rest being useless. */
const TOLERATED: readonly ErrorCode[] = [
  'ERR_MLIST_NOT_FOUND',
  'ERR_MLIST_DOCUMENT_INVALID',
  'ERR_MLIST_CONTENT_MISMATCH',
  'ERR_MLIST_DIGEST_INVALID',
];

/** Manifests that are read at once. */
export const MAX_CONCURRENT_READS = 16;

const BIT = { index: 1, image: 2, other: 4 } as const;

/**
 * The manifests of a layout and what they point at. A manifest is in the layout if an entry of index.json names it or an
 * index that is in the layout lists it as a manifest, and its blob is there; a blob that merely looks like a manifest is
 * not one.
 */
export class ManifestGraph {
  readonly #blobs: ManifestBytes;
  /** A digest always stands for the same bytes, so what was read once is kept. */
  readonly #known = new Map<Digest, ManifestFacts>();

  constructor(blobs: ManifestBytes) {
    this.#blobs = blobs;
  }

  /** Everything that is named: a digest comes once for each family of types that is claimed for it. */
  async allDescriptors(roots: Iterable<Descriptor>): Promise<readonly Descriptor[]> {
    const all: Descriptor[] = [];
    await this.#walk(roots, (descriptor) => {
      all.push(descriptor);
      return false;
    });
    return all;
  }

  /** The named ones among these digests, each with a claim that is accepted if there is one, whether or not their blobs are there. */
  async findClaims(
    roots: Iterable<Descriptor>,
    digests: Iterable<Digest>,
    { gone, accepts = isManifestClaim }: FindClaimsOptions = {},
  ): Promise<Map<Digest, Claim>> {
    const wanted = new Set(digests);
    const found = new Map<Digest, Claim>();
    if (wanted.size === 0) return found;
    const visit = (descriptor: Descriptor, isRoot: boolean): boolean => {
      const { digest } = descriptor;
      if (!wanted.has(digest)) return false;
      const claim = { descriptor: minimalDescriptor(descriptor), isRoot };
      const isAccepted = accepts(claim);
      if (isAccepted || !found.has(digest)) found.set(digest, claim);
      if (isAccepted) wanted.delete(digest);
      return wanted.size === 0;
    };
    await this.#walk(roots, visit, gone);
    return found;
  }

  /** The entries of what is claimed to be an index; none where it is not one or cannot be read. */
  async children({ mediaType, digest }: Descriptor): Promise<readonly Descriptor[]> {
    return familyOf(mediaType) === 'index' ? ((await this.facts(digest))?.manifests ?? []) : [];
  }

  /** The subject of a manifest. */
  async subject({ mediaType, digest }: Descriptor): Promise<Descriptor | undefined> {
    return familyOf(mediaType) === 'other' ? undefined : (await this.facts(digest))?.subject;
  }

  /** The manifests whose subject is the digest, each with its document. */
  async referrers(roots: Iterable<Descriptor>, subject: Digest): Promise<ReadonlyMap<Digest, JsonObject>> {
    const found = new Map<Digest, JsonObject>();
    for (const descriptor of await this.allDescriptors(roots)) {
      const { digest } = descriptor;
      if (found.has(digest) || (await this.subject(descriptor))?.digest !== subject) continue;
      const bytes = await this.#read(digest);
      if (bytes !== undefined) found.set(digest, readDocument(bytes));
    }
    return found;
  }

  /** Whether a manifest needs the digest as a config or a layer, or an index lists it as something that is not a manifest. */
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

  /** What the bytes of a manifest say; undefined where they are not there, or cannot be read. */
  async facts(digest: Digest): Promise<ManifestFacts | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const bytes = await this.#read(digest);
    return bytes && this.record(digest, bytes);
  }

  /** Keeps what verified bytes say. */
  record(digest: Digest, bytes: Uint8Array): ManifestFacts | undefined {
    const known = this.#known.get(digest) ?? factsOf(bytes);
    if (known !== undefined) this.#known.set(digest, known);
    return known;
  }

  forget(digest: Digest): void {
    this.#known.delete(digest);
  }

  /**
   * Visits everything that is named, until `visit` returns true: the roots first, then the entries of their indexes, and so
   * on down. A digest is visited once for each family of types that is claimed for it, so that a false claim does not hide
   * a true one. This runs with every request: it waits only for indexes that were not read before.
   */
  async #walk(
    roots: Iterable<Descriptor>,
    visit: (descriptor: Descriptor, isRoot: boolean) => boolean,
    gone?: Digest,
  ): Promise<void> {
    const seen = new Map<Digest, number>();
    let level: readonly Descriptor[] = [...roots];
    for (let isRoot = true; level.length > 0; isRoot = false) {
      const below: Descriptor[] = [];
      for (const descriptor of level) {
        const { digest, mediaType } = descriptor;
        const family = familyOf(mediaType);
        const before = seen.get(digest) ?? 0;
        if (digest === gone || (before & BIT[family]) !== 0) continue;
        seen.set(digest, before | BIT[family]);
        if (visit(descriptor, isRoot)) return;
        if (family !== 'index') continue;
        const children = this.#known.get(digest)?.manifests ?? (await this.children(descriptor));
        for (const child of children) below.push(child);
      }
      level = below;
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

/** Whether a claim makes its content a manifest of the layout. */
export function isManifestClaim({ descriptor, isRoot }: Claim): boolean {
  return isRoot || familyOf(descriptor.mediaType) !== 'other';
}
