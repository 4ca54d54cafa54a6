import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../store/store.ts';
import type { BlobIdentity } from '../store/verify.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** The store of a repository, as the request handlers use it. `Layout` and `MemoryStore` implement it. */
export interface Repository extends ContentWriter, TagStore, ReferrerLister, Mounter {
  /** Whether a read may wait for another registry. */
  readonly isRemote?: boolean;
  /** Those of the manifests that the store has, with their media types and sizes. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>>;
  /** Size of a blob in bytes; rejects with `ERR_MLIST_NOT_FOUND` if it does not exist. */
  blobSize(digest: Digest): Promise<number>;
  /**
   * Like `blobSize`, for a blob that a client will probably refer to. Garbage collection keeps the blob for the grace
   * time.
   */
  holdBlob(digest: Digest): Promise<number>;
  /**
   * Streams a blob to a client. The caller must not use a chunk after it has requested the next one. Rejects with
   * `ERR_MLIST_NOT_FOUND`, or with `ERR_MLIST_CONTENT_MISMATCH` before the last chunk if the blob is damaged.
   */
  serveBlob(blob: BlobIdentity): AsyncIterable<Uint8Array>;
  /** Streams the bytes from `start` to `end` (exclusive). */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array>;
  stageBlob(): Promise<Upload>;
  /** Deletes a blob. Rejects with `ERR_MLIST_NOT_FOUND`, or with `ERR_MLIST_CONFLICT` if it is a manifest. */
  deleteBlob(digest: Digest): Promise<void>;
  /**
   * Deletes a manifest and all its tags. Rejects with `ERR_MLIST_NOT_FOUND`, or with `ERR_MLIST_CONFLICT` if an index
   * lists it and another manifest needs its bytes as a blob, because the manifest would still exist.
   */
  deleteManifest(digest: Digest): Promise<void>;
}

/** A blob that is being uploaded. */
export interface Upload {
  /** Number of bytes received so far. */
  readonly size: number;
  /** Appends bytes, with backpressure. If the source fails, the bytes that were already received are kept. */
  append(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Streams the received bytes from `start` on. They must be read before the blob is stored or discarded. */
  read(start: number): AsyncIterable<Uint8Array>;
  /**
   * Stores the blob. Rejects with `ERR_MLIST_CONTENT_MISMATCH` if the bytes have another digest. May be called only
   * once.
   */
  commit(digest: Digest): Promise<void>;
  discard(): Promise<void>;
}

/** The repositories of a registry. The caller passes valid repository names only. */
export interface Repositories {
  /** Finds a repository; undefined if it does not exist. */
  find(name: string): Promise<Repository | undefined>;
  /** Finds or creates a repository. */
  open(name: string): Promise<Repository>;
  /** All repositories that `includes` accepts, in any order. */
  all(includes?: (name: string) => boolean): AsyncIterable<Repository>;
  /** The names of all repositories, in any order. Some of them may not exist, which `find` detects. */
  names(): Promise<readonly string[]>;
  /** Removes a repository with its content. Resolves to false if it does not exist. */
  remove(name: string): Promise<boolean>;
  /** Completes pending changes, so that other tools can read the content. */
  close(): Promise<void>;
}
