import type { ContentWriter, Mounter, ReferrerLister, TagStore } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** What the registry's handlers need of the place where content lies; `Layout` and `MemoryContent` have it. */
export interface Repository extends ContentWriter, TagStore, ReferrerLister, Mounter {
  /** Those of the manifests that are here, with the media type and the size of their own bytes. */
  storedManifests(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Descriptor>>;
  /** Length of a blob; `ERR_MLIST_NOT_FOUND` where there is none. */
  blobSize(digest: Digest): Promise<number>;
  /** The bytes from `start` up to, not including, `end`. */
  readBlobPart(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array>;
  stageBlob(): Promise<Upload>;
  /** `ERR_MLIST_NOT_FOUND` where there is none; `ERR_MLIST_CONFLICT` where it is a manifest. */
  deleteBlob(digest: Digest): Promise<void>;
  /**
   * Removes a manifest and all its tags; `ERR_MLIST_NOT_FOUND` where there is none, `ERR_MLIST_CONFLICT` where it would
   * still be there since an index lists it and its bytes are needed.
   */
  deleteManifest(digest: Digest): Promise<void>;
}

/** A blob whose bytes are still arriving. */
export interface Upload {
  /** Bytes that have arrived so far. */
  readonly size: number;
  /** Takes bytes no faster than they can be kept. Where the source fails, what came before stays. */
  append(chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes it a blob, once; `ERR_MLIST_CONTENT_MISMATCH` where the bytes are others: then nothing is stored. */
  commit(digest: Digest): Promise<void>;
  discard(): Promise<void>;
}

/** The repositories of a registry, by names that are valid. */
export interface Repositories {
  find(name: string): Promise<Repository | undefined>;
  /** Finds a repository, or makes it. */
  open(name: string): Promise<Repository>;
  /** All of them, in no order. */
  all(): AsyncIterable<Repository>;
}
