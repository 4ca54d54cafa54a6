import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../store/store.ts';
import type { BlobIdentity } from '../store/verify.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** The store of a repository, as the request handlers use it. `Layout` and `MemoryStore` implement it. */
export interface Repository extends ContentWriter, TagStore, ReferrerLister, Mounter {
  /** Whether reads may wait for another registry. */
  readonly isRemote?: boolean;
  /** The manifests that the store has, with the media type and the size of their bytes. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>>;
  /** Size of a blob in bytes; rejects with `ERR_MLIST_NOT_FOUND` if it does not exist. */
  blobSize(digest: Digest): Promise<number>;
  /** Like `blobSize`, for a blob that a client is about to refer to: garbage collection keeps it for the grace time. */
  holdBlob(digest: Digest): Promise<number>;
  /**
   * Streams a blob to a client. A chunk is valid until the next one is requested. Rejects with `ERR_MLIST_NOT_FOUND`, or with
   * `ERR_MLIST_CONTENT_MISMATCH` before the last chunk if the blob is damaged.
   */
  serveBlob(blob: BlobIdentity): AsyncIterable<Uint8Array>;
  /** Streams the bytes from `start` to `end` (exclusive). */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array>;
  stageBlob(): Promise<Upload>;
  /** Rejects with `ERR_MLIST_NOT_FOUND`; with `ERR_MLIST_CONFLICT` if it is a manifest. */
  deleteBlob(digest: Digest): Promise<void>;
  /**
   * Removes a manifest and all its tags. Rejects with `ERR_MLIST_NOT_FOUND`; with `ERR_MLIST_CONFLICT` if an index lists it
   * and its blob is needed, because it would still exist.
   */
  deleteManifest(digest: Digest): Promise<void>;
}

/** A blob that is being uploaded. */
export interface Upload {
  /** Number of bytes received so far. */
  readonly size: number;
  /** Appends bytes, with backpressure. If the source fails, the bytes before the failure are kept. */
  append(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** The bytes from `start` to the last one that was received. They must be read before the blob is stored or discarded. */
  read(start: number): AsyncIterable<Uint8Array>;
  /** Stores the blob. Rejects with `ERR_MLIST_CONTENT_MISMATCH` if the bytes have another digest. May be called once. */
  commit(digest: Digest): Promise<void>;
  discard(): Promise<void>;
}

/** The repositories of a registry. All names are valid repository names. */
export interface Repositories {
  /** Undefined if the repository does not exist. */
  find(name: string): Promise<Repository | undefined>;
  /** Finds or creates a repository. */
  open(name: string): Promise<Repository>;
  /** All repositories that `includes` accepts, in any order. */
  all(includes?: (name: string) => boolean): AsyncIterable<Repository>;
  /** The names of all repositories, in any order. Some may not exist: `find` decides. */
  names(): Promise<readonly string[]>;
  /** Removes a repository with its content. Resolves to false if it does not exist. */
  remove(name: string): Promise<boolean>;
  /** Completes what is stored, for other tools. */
  close(): Promise<void>;
}
