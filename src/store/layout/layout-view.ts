import { MlistError } from '../../errors/errors.ts';
import type { ManifestContent, ContentOptions, FetchOptions, TagOrDigest } from '../store.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { referrerOf } from '../../oci/children.ts';
import type { BlobIdentity } from '../verify.ts';
import { tagOf, mediaTypesIn, type Entries } from './index-entries.ts';
import { typeByDigest } from './manifest-facts.ts';
import { isManifestClaim, MAX_CONCURRENT_READS, type Claim, type ManifestGraph } from './manifest-graph.ts';

/** What a layout is made of, be it a folder or an archive. */
export interface LayoutParts {
  /** As people name it. */
  readonly location: string;
  readonly graph: ManifestGraph;
  entries(): Promise<Entries>;
  /** Length of a blob; undefined where there is none. */
  size(digest: Digest): Promise<number | undefined>;
  bytes(blob: BlobIdentity, signal?: AbortSignal): Promise<Uint8Array>;
}

interface Found {
  readonly digest: Digest;
  readonly size: number;
  /** Undefined where the bytes are to say it. */
  readonly mediaType?: string | undefined;
  /** The type that index.json gives the digest. */
  readonly given?: string | undefined;
}

/** Reading the manifests of a layout by what names them. */
export class LayoutView {
  readonly #parts: LayoutParts;

  constructor(parts: LayoutParts) {
    this.#parts = parts;
  }

  /** The entries of index.json in their order, with their annotations. */
  async entries(): Promise<readonly Descriptor[]> {
    return (await this.#parts.entries()).map(descriptorOf);
  }

  async resolve(name: TagOrDigest, { signal }: ContentOptions = {}): Promise<Descriptor> {
    const { digest, size, mediaType, given } = await this.#find(name, signal);
    return { mediaType: mediaType ?? typeByDigest(await this.#parts.graph.facts(digest), given), digest, size };
  }

  async fetchManifest(name: TagOrDigest, { expected, signal }: FetchOptions = {}): Promise<ManifestContent> {
    const { digest, size, mediaType, given } = await this.#find(name, signal);
    if (expected !== undefined && expected.digest !== digest) {
      throw this.#mismatch(name, `is ${digest}, not ${expected.digest}`);
    }
    const bytes = await this.#parts.bytes({ digest, size }, signal);
    if (expected !== undefined && expected.size !== size) {
      throw this.#mismatch(name, `has ${size} bytes, but its descriptor says ${expected.size}`);
    }
    const type = expected?.mediaType ?? mediaType ?? typeByDigest(this.#parts.graph.record(digest, bytes), given);
    return { descriptor: { mediaType: type, digest, size }, bytes };
  }

  /** Those of the manifests that are not here. */
  async missing(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const stored = await this.stored(digests);
    return digests.filter((digest) => !stored.has(digest));
  }

  /** Those of the manifests that are here, with the media type and the size of their own bytes. */
  async stored(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>> {
    if (digests.length === 0) return new Map();
    const entries = await this.#parts.entries();
    const named = await this.#parts.graph.findClaims(entries.map(descriptorOf), digests);
    const claims = [...named.values()].filter(isManifestClaim);
    const types = mediaTypesIn(entries, named.keys());
    const found = new Map<Digest, Descriptor>();
    for (let at = 0; at < claims.length; at += MAX_CONCURRENT_READS) {
      const batch = claims.slice(at, at + MAX_CONCURRENT_READS).map((claim) => this.#stored(claim, types));
      for (const descriptor of await Promise.all(batch)) {
        if (descriptor !== undefined) found.set(descriptor.digest, descriptor);
      }
    }
    return found;
  }

  /** The tags in the order of index.json, each once. A layout of another tool may use any text as a tag. */
  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    yield* new Set((await this.#parts.entries()).map(tagOf).filter((tag) => tag !== undefined));
  }

  async referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const entries = await this.#parts.entries();
    const { graph } = this.#parts;
    const found = await graph.referrers(entries.map(descriptorOf), digest);
    const types = mediaTypesIn(entries, found.keys());
    const all: Descriptor[] = [];
    for (const [each, document] of found) {
      const facts = await graph.facts(each);
      if (facts === undefined) continue;
      const mediaType = typeByDigest(facts, types.get(each));
      all.push(referrerOf({ mediaType, digest: each, size: facts.size }, document));
    }
    return artifactType === undefined ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
  }

  /** Whether the digest is that of a manifest, whether or not its blob is there. */
  async isManifest(digest: Digest): Promise<boolean> {
    const claim = (await this.#parts.graph.findClaims(await this.entries(), [digest])).get(digest);
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

  /** What a name means: by a tag what its entry says, by a digest what is stored, whatever lists it. */
  async #find(name: TagOrDigest, signal?: AbortSignal): Promise<Found> {
    signal?.throwIfAborted();
    const found = isDigestName(name) ? await this.#byDigest(name) : await this.#tagged(name);
    const size = found && (await this.#parts.size(found.digest));
    if (found !== undefined && size !== undefined) return { size, ...found };
    const reference = this.#reference(name);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  async #byDigest(digest: Digest): Promise<Omit<Found, 'size'> | undefined> {
    const entries = await this.#parts.entries();
    const named = await this.#parts.graph.findClaims(entries.map(descriptorOf), [digest]);
    return named.has(digest) ? { digest, given: mediaTypesIn(entries, [digest]).get(digest) } : undefined;
  }

  async #tagged(tag: string): Promise<Descriptor | undefined> {
    const { location } = this.#parts;
    const entries = (await this.#parts.entries()).filter((entry) => tagOf(entry) === tag);
    const found = new Map(entries.map(({ descriptor }) => [descriptor.digest, descriptor]));
    if (found.size > 1) {
      throw new MlistError('ERR_MLIST_AMBIGUOUS', `${this.#reference(tag)} names ${found.size} manifests`, {
        candidates: [...found.keys()].map((digest) => `${location}@${digest}`),
      });
    }
    const [descriptor] = found.values();
    return descriptor && minimalDescriptor(descriptor);
  }

  #mismatch(name: TagOrDigest, fault: string): MlistError {
    const reference = this.#reference(name);
    return new MlistError('ERR_MLIST_CONTENT_MISMATCH', `${reference} ${fault}`, { reference });
  }

  #reference(name: TagOrDigest): string {
    return this.#parts.location + (isDigestName(name) ? '@' : ':') + name;
  }
}

function descriptorOf({ descriptor }: Entries[number]): Descriptor {
  return descriptor;
}
