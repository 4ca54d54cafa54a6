import { MlistError } from '../../errors/errors.ts';
import {
  contentReference,
  type ManifestContent,
  type ContentOptions,
  type FetchOptions,
  type TagOrDigest,
} from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { referrerOf } from '../../oci/children.ts';
import type { Reference } from '../../oci/reference.ts';
import { originsIn } from '../origins.ts';
import type { BlobIdentity } from '../verify.ts';
import { mediaTypesIn } from './entry-edit.ts';
import type { EntrySet } from './entry-table.ts';
import { descriptorsOf, tagOf } from './index-entries.ts';
import { typeByDigest } from './manifest-facts.ts';
import { isManifestClaim, MAX_CONCURRENT_READS, type Claim, type ManifestGraph } from './manifest-graph.ts';

/** The parts of a layout that `LayoutView` needs. The layout is a folder or an archive. */
export interface LayoutParts {
  /** The location of the layout, such as `oci:DIR`, for messages. */
  readonly location: string;
  readonly graph: ManifestGraph;
  entries(): Promise<EntrySet>;
  /** Returns the size of a blob in bytes, or undefined if the blob does not exist. */
  size(digest: Digest): Promise<number | undefined>;
  bytes(blob: BlobIdentity, signal?: AbortSignal): Promise<Uint8Array>;
}

interface FoundManifest {
  readonly digest: Digest;
  readonly size: number;
  /** The media type in the tag's entry; undefined if the manifest was requested by digest. */
  readonly mediaType?: string | undefined;
  /** The media type of the digest in index.json, if the manifest was requested by digest and has an entry. */
  readonly listed?: string | undefined;
}

/** Reads the manifests of a layout by tag or digest. */
export class LayoutView {
  readonly #parts: LayoutParts;

  constructor(parts: LayoutParts) {
    this.#parts = parts;
  }

  /** Returns the descriptors of all entries in the order of index.json, with their annotations. */
  async entries(): Promise<readonly Descriptor[]> {
    return descriptorsOf((await this.#parts.entries()).all());
  }

  async resolve(name: TagOrDigest, { signal }: ContentOptions = {}): Promise<Descriptor> {
    const { digest, size, mediaType, listed } = await this.#find(name, signal);
    return { mediaType: mediaType ?? typeByDigest(await this.#parts.graph.facts(digest), listed), digest, size };
  }

  async fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    const { digest, size, mediaType, listed } = await this.#find(name, signal);
    if (expected !== undefined && expected.digest !== digest) {
      throw this.#mismatch(name, `refers to ${digest}, not ${expected.digest}`);
    }
    const bytes = await this.#parts.bytes({ digest, size }, signal);
    if (expected !== undefined && expected.size !== size) {
      throw this.#mismatch(name, `has ${size} bytes, but its descriptor states ${expected.size}`);
    }
    const type = expected?.mediaType ?? mediaType ?? typeByDigest(this.#parts.graph.record(digest, bytes), listed);
    return { descriptor: { mediaType: type, digest, size }, bytes };
  }

  /** Returns the digests for which the layout has no manifest. */
  async missing(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const stored = await this.stored(digests);
    return digests.filter((digest) => !stored.has(digest));
  }

  /**
   * Returns the descriptors of the given manifests that the layout has, keyed by digest. They state the media type and
   * size of the stored bytes.
   */
  async stored(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    if (digests.length === 0) return new Map();
    const entries = await this.#parts.entries();
    const byDigest = await this.#parts.graph.findClaims(entries, digests);
    const claims = [...byDigest.values()].filter(isManifestClaim);
    const types = mediaTypesIn(entries, byDigest.keys());
    const stored = new Map<Digest, Descriptor>();
    for (let at = 0; at < claims.length; at += MAX_CONCURRENT_READS) {
      const batch = claims.slice(at, at + MAX_CONCURRENT_READS).map((claim) => this.#stored(claim, types));
      for (const descriptor of await Promise.all(batch)) {
        if (descriptor !== undefined) stored.set(descriptor.digest, descriptor);
      }
    }
    return stored;
  }

  /**
   * Yields the tags in the order of index.json, without duplicates. In layouts that other tools have written, a tag may
   * be any string.
   */
  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    yield* new Set(
      (await this.#parts.entries())
        .all()
        .map(tagOf)
        .filter((tag) => tag !== undefined),
    );
  }

  async referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const entries = await this.#parts.entries();
    const { graph } = this.#parts;
    const documents = await graph.referrers(descriptorsOf(entries.all()), digest);
    const types = mediaTypesIn(entries, documents.keys());
    const all: Descriptor[] = [];
    for (const [each, document] of documents) {
      const facts = await graph.facts(each);
      if (facts === undefined) continue;
      const mediaType = typeByDigest(facts, types.get(each));
      all.push(referrerOf({ mediaType, digest: each, size: facts.size }, document));
    }
    return artifactType === undefined ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
  }

  /**
   * Returns the repositories that the annotations of a manifest's entries name. If the manifest has no entry, the
   * annotations of all entries are used.
   */
  async origins(digest: Digest): Promise<readonly Reference[]> {
    const entries = await this.entries();
    const own = entries.filter((entry) => entry.digest === digest);
    return originsIn((own.length > 0 ? own : entries).map(({ annotations }) => annotations));
  }

  /** Whether index.json or an index lists the digest as a manifest. Its blob may be missing. */
  async isManifest(digest: Digest): Promise<boolean> {
    const claim = (await this.#parts.graph.findClaims(await this.#parts.entries(), [digest])).get(digest);
    return claim !== undefined && isManifestClaim(claim);
  }

  async #stored({ descriptor }: Claim, types: ReadonlyMap<Digest, string>): Promise<Descriptor | undefined> {
    const { digest } = descriptor;
    const size = await this.#parts.size(digest);
    if (size === undefined) return undefined;
    const facts = await this.#parts.graph.facts(digest);
    const mediaType = typeByDigest(facts, types.get(digest));
    return size === (facts ?? descriptor).size ? { mediaType, digest, size } : undefined;
  }

  /**
   * Finds a manifest by its tag or digest.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if it is not listed, or its blob is missing; `ERR_MLIST_AMBIGUOUS` if
   * several manifests have the tag
   */
  async #find(name: TagOrDigest, signal?: AbortSignal): Promise<FoundManifest> {
    signal?.throwIfAborted();
    const found = isDigestName(name) ? await this.#byDigest(name) : await this.#byTag(name);
    const size = found && (await this.#parts.size(found.digest));
    if (found !== undefined && size !== undefined) return { size, ...found };
    const reference = this.#reference(name);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  async #byDigest(digest: Digest): Promise<Omit<FoundManifest, 'size'> | undefined> {
    const entries = await this.#parts.entries();
    const claims = await this.#parts.graph.findClaims(entries, [digest]);
    return claims.has(digest) ? { digest, listed: mediaTypesIn(entries, [digest]).get(digest) } : undefined;
  }

  async #byTag(tag: string): Promise<Descriptor | undefined> {
    const { location } = this.#parts;
    const entries = (await this.#parts.entries()).tagged(tag);
    const byDigest = new Map(entries.map(({ descriptor }) => [descriptor.digest, descriptor]));
    if (byDigest.size > 1) {
      throw new MlistError(
        'ERR_MLIST_AMBIGUOUS',
        `${this.#reference(tag)} matches ${byDigest.size} manifests: specify one of them`,
        {
          candidates: [...byDigest.keys()].map((digest) => `${location}@${digest}`),
        },
      );
    }
    const [descriptor] = byDigest.values();
    return descriptor && minimalDescriptor(descriptor);
  }

  #mismatch(name: TagOrDigest, fault: string): MlistError {
    const reference = this.#reference(name);
    return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${reference} ${fault}`, { reference });
  }

  #reference(name: TagOrDigest): string {
    return contentReference(this.#parts.location, name);
  }
}
