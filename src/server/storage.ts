import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../store/store.ts';
import type { BlobIdentity } from '../store/verify.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/**
 * The store of a repository, with the methods that the request handlers use. `Layout`, `MemoryStore` and
 * `CachedRepository` implement it.
 */
export interface Repository extends ContentWriter, TagStore, ReferrerLister, Mounter {
  /** Whether a read may wait for another registry. */
  readonly isRemote?: boolean;
  /**
   * Returns the descriptors of the given manifests, keyed by digest. Manifests that the store does not have are
   * omitted.
   */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>>;
  /** Returns the size of a blob in bytes. Rejects with `ERR_MLIST_NOT_FOUND` if the blob does not exist. */
  blobSize(digest: Digest): Promise<number>;
  /**
   * Like `blobSize`, for a blob that a manifest will probably refer to. Garbage collection keeps the blob for the grace
   * time.
   */
  holdBlob(digest: Digest): Promise<number>;
  /**
   * Streams a blob to a client. The caller must not use a chunk after it has requested the next one. Rejects with
   * `ERR_MLIST_NOT_FOUND` if the blob does not exist. Rejects with `ERR_MLIST_CONTENT_MISMATCH` before the last chunk
   * if the blob is found to be damaged; a recently verified file is not hashed again.
   */
  serveBlob(blob: BlobIdentity): AsyncIterable<Uint8Array>;
  /** Streams the bytes of a blob from `start` to `end` (exclusive). */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array>;
  stageBlob(): Promise<Upload>;
  /**
   * Deletes a blob. Rejects with `ERR_MLIST_NOT_FOUND` if it does not exist and, in a layout, with
   * `ERR_MLIST_CONFLICT` if it is a manifest.
   */
  deleteBlob(digest: Digest): Promise<void>;
  /**
   * Deletes a manifest and all its tags. Rejects with `ERR_MLIST_NOT_FOUND` if it does not exist. A layout rejects with
   * `ERR_MLIST_CONFLICT` if an index lists it and another manifest refers to the same bytes as a blob: the bytes would
   * be kept, so the manifest would still exist.
   */
  deleteManifest(digest: Digest): Promise<void>;
}

/** A blob that is being uploaded. */
export interface Upload {
  /** Number of bytes received so far. */
  readonly size: number;
  /** Appends bytes, with backpressure. If reading them fails, the bytes that were already received are kept. */
  append(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Streams the received bytes from `start` on. They must be read before `commit` or `discard` is called. */
  read(start: number): AsyncIterable<Uint8Array>;
  /**
   * Stores the blob. Rejects with `ERR_MLIST_CONTENT_MISMATCH` if the bytes do not match the digest. May be called only
   * once.
   */
  commit(digest: Digest): Promise<void>;
  discard(): Promise<void>;
}

/** The repositories of a registry. The caller passes valid repository names only. */
export interface Repositories {
  /** Returns a repository, or undefined if it does not exist. */
  find(name: string): Promise<Repository | undefined>;
  /** Returns a repository. Creates it if it does not exist. */
  open(name: string): Promise<Repository>;
  /** Yields the repositories whose names `includes` accepts, in any order. */
  all(includes?: (name: string) => boolean): AsyncIterable<Repository>;
  /**
   * Returns the names of all repositories, in any order. The result may contain names for which `find` returns
   * undefined.
   */
  names(): Promise<readonly string[]>;
  /** Removes a repository with its content. Resolves to false if it does not exist. */
  remove(name: string): Promise<boolean>;
  /** Completes pending changes, so that other tools can read the content. */
  close(): Promise<void>;
}
