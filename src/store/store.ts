import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/**
 * Where content lives, seen from those who read and write it. A registry's repository, a layout folder, an archive and
 * memory are all stores of content; each part of mlist asks for the few abilities that it needs.
 * Every method rejects with an MlistError: `ERR_MLIST_NOT_FOUND` where the content is not there.
 */

export interface ContentOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A manifest: its descriptor (media type, digest, size) and exactly its bytes, which match the descriptor. */
export interface ManifestContent {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** The media type that the registry announced, if it is not that of the content. */
  readonly announced?: string | undefined;
}

/** A tag or a digest. */
export type TagOrDigest = string;

/** How much of what is to be read is known beforehand; what is known is checked. */
export interface FetchOptions extends ContentOptions {
  readonly expected?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'> | undefined;
}

/** Reads content. */
export interface ContentReader {
  /** For people: the location without a tag, such as `docker.io/library/ubuntu`. */
  readonly location: string;
  /** What a tag or digest names, without reading it where that is possible. */
  resolve(name: TagOrDigest, options?: ContentOptions): Promise<Descriptor>;
  /** Reads the manifest that a tag or digest names. */
  fetchManifest(name: TagOrDigest, options?: FetchOptions): Promise<ManifestContent>;
  /** Reads a small blob whole, such as a config: at most 4 MiB. */
  fetchBlob(descriptor: Descriptor, options?: ContentOptions): Promise<Uint8Array>;
  /** A blob's bytes as they come. It throws at the end where they do not match the descriptor. */
  readBlob(descriptor: Descriptor, options?: ContentOptions): AsyncIterable<Uint8Array>;
}

/** A home that is far away: it can be asked what it has, which costs less than reading it. */
export interface ExistenceChecker {
  hasManifest(digest: Digest, options?: ContentOptions): Promise<boolean>;
  /** Length in bytes; undefined where the blob is not there, `unknown` where the home does not tell. */
  statedSize(descriptor: Descriptor, options?: ContentOptions): Promise<number | 'unknown' | undefined>;
}

/** A store on this machine, where checking for content is cheap. */
export interface LocalStore {
  /** Size of the content with this digest; undefined if the store does not have it. */
  storedSize(digest: Digest): Promise<number | undefined>;
}

export interface PutOptions extends ContentOptions {
  /**
   * Put only if the name still names this digest, or names nothing yet, as far as the home can tell (HTTP `If-Match`,
   * `If-None-Match`). Refused with `ERR_MLIST_CONFLICT`.
   */
  readonly ifMatch?: Digest | 'absent' | undefined;
  /** Send it once only: others may have written in between, so the caller reads again before it retries. */
  readonly once?: boolean | undefined;
}

/** Writes content; a manifest's children go before it. */
export interface ContentWriter extends ContentReader {
  /** Further attempts at a request that failed; undefined where there are no requests. */
  readonly retries?: number | undefined;
  hasManifest(digest: Digest, options?: ContentOptions): Promise<boolean>;
  hasBlob(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>;
  /** Stores the bytes under their digest or under a tag, and verifies that the home took exactly these. */
  putManifest(content: ManifestContent, name: TagOrDigest, options?: PutOptions): Promise<void>;
  /**
   * Stores a blob; `open` may be called again where the first try was cut short, and is not called where the home has
   * the blob already. Each piece is the home's for good: one that came from a home's `readBlob` may be filled with other
   * bytes once it has been stored, so that who wants to keep it takes a copy.
   */
  putBlob(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>, options?: ContentOptions): Promise<void>;
}

/** A home that appears as a whole, such as an archive: nothing of it is there, or has changed, until it is committed. */
export interface Whole {
  commit(options?: ContentOptions): Promise<void>;
  /** Leaves everything as it was. */
  discard(): Promise<void>;
}

/** A home that can take a blob from one beside it without moving bytes: a repository of the same registry. */
export interface Mounter {
  canMountFrom(source: ContentReader): boolean;
  /** Mounts the blob; where the home does not do it after all, the bytes of `open` are put in the same go. */
  mountBlob(
    descriptor: Descriptor,
    from: ContentReader,
    open: () => AsyncIterable<Uint8Array>,
    options?: ContentOptions,
  ): Promise<'mounted' | 'uploaded'>;
}

export interface TagStore {
  tags(options?: ContentOptions): AsyncIterable<string>;
  untag(tag: string, options?: ContentOptions): Promise<void>;
}

export interface ReferrerLister {
  /** Manifests whose subject is the digest; all of them where no artifact type is given. */
  referrers(digest: Digest, artifactType?: string, options?: ContentOptions): Promise<readonly Descriptor[]>;
  /**
   * Whether the home finds referrers by their subject. Where not, whoever puts one lists it under the fallback tag
   * (distribution-spec v1.1.1 "Pushing Manifests with Subject"). A home without this method finds them.
   * @param digest - any that the home may be asked about
   */
  supportsReferrers?(digest: Digest, options?: ContentOptions): Promise<boolean>;
}

/** A name that is not what a put was to replace: `ERR_MLIST_CONFLICT`. */
export function conflictError(reference: string, expected: NonNullable<PutOptions['ifMatch']>): MlistError {
  const now = expected === 'absent' ? 'is there already' : `is no longer ${expected}`;
  return new MlistError('ERR_MLIST_CONFLICT', `${reference} ${now}`, { reference });
}
