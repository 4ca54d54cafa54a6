import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigestName, type Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';

/**
 * This module defines the interfaces of content stores: registry repositories, OCI layouts, archives, engine images and
 * memory. Callers require only the interfaces that they need. If a method fails, it rejects with an MlistError, whose
 * code is `ERR_MLIST_NOT_FOUND` if the content does not exist.
 */

export interface ContentOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A manifest: its descriptor (media type, digest, size) and the exact bytes, which match the descriptor. */
export interface ManifestContent {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** The media type in the registry's response, if it differs from the one in the descriptor. */
  readonly announced?: string | undefined;
}

/** A tag or a digest: the `<reference>` of the distribution-spec. */
export type TagOrDigest = string;

export interface FetchOptions extends ContentOptions {
  /**
   * The expected descriptor. Content with another digest or size is refused with `ERR_MLIST_CONTENT_MISMATCH`. The
   * result has the media type of this descriptor.
   */
  readonly expected?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'> | undefined;
}

export interface ContentReader {
  /** The location without a tag, such as `docker.io/library/ubuntu`, for messages. */
  readonly location: string;
  /** Returns the descriptor of a manifest. The manifest is read only if there is no cheaper way, such as HEAD. */
  resolve(name: TagOrDigest, options?: ContentOptions): Promise<Descriptor>;
  fetchManifest(name: TagOrDigest, options?: FetchOptions): Promise<ManifestContent>;
  /** Reads a whole small blob, such as a config: at most 4 MiB. */
  fetchBlob(descriptor: Descriptor, options?: ContentOptions): Promise<Uint8Array>;
  /** Streams a blob. The stream fails, at the latest at its end, if the bytes do not match the descriptor. */
  readBlob(descriptor: Descriptor, options?: ContentOptions): AsyncIterable<Uint8Array>;
}

/** A remote store, to which a connection can be opened before the first request. */
export interface Connectable {
  /** Starts to connect. A failure is reported by the first request. */
  connect(): void;
}

/** A remote store, where checking for content is cheaper than reading it. */
export interface ExistenceChecker {
  hasManifest(digest: Digest, options?: ContentOptions): Promise<boolean>;
  /**
   * Returns the size of a blob in bytes; undefined if the blob does not exist, `unknown` if the store does not report
   * the size.
   */
  statedSize(descriptor: Descriptor, options?: ContentOptions): Promise<number | 'unknown' | undefined>;
}

/** A store on this machine, where checking for content is cheap. */
export interface LocalStore {
  /** Returns the size in bytes of the content with this digest; undefined if the store does not have it. */
  storedSize(digest: Digest): Promise<number | undefined>;
}

export interface RequiredContent {
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
}

export interface PutOptions extends ContentOptions {
  /**
   * Write only if the tag refers to this digest or, with `absent`, does not exist (HTTP `If-Match`, `If-None-Match`).
   * Otherwise the write fails with `ERR_MLIST_CONFLICT`. Stores that do not support conditions ignore this option.
   */
  readonly ifMatch?: Digest | 'absent' | undefined;
  /**
   * Content that must still be in the store when the manifest is stored. Otherwise the write fails with
   * `ERR_MLIST_NOT_FOUND`. Only layouts support this option: other processes may garbage-collect them in the meantime.
   */
  readonly requires?: RequiredContent | undefined;
  /** Whether to send the PUT only once, because the caller reads the tag again before a retry. Default false. */
  readonly once?: boolean | undefined;
}

/** Writes content. The children of a manifest must be written before the manifest. */
export interface ContentWriter extends ContentReader {
  /** Maximum number of retries of a request; undefined for stores without requests. */
  readonly retries?: number | undefined;
  hasManifest(digest: Digest, options?: ContentOptions): Promise<boolean>;
  hasBlob(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>;
  /**
   * Stores the bytes under their digest or under a tag, and verifies that the store has accepted exactly these bytes.
   */
  putManifest(content: ManifestContent, name: TagOrDigest, options?: PutOptions): Promise<void>;
  /**
   * Stores a blob. `open` is called again for each retry; a store that already has the blob need not call it. The store
   * takes ownership of the chunks: a buffer may be reused as soon as its chunk is stored, so a caller that needs the
   * bytes later must copy them.
   */
  putBlob(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>, options?: ContentOptions): Promise<void>;
}

/** A store that can take a blob from another store without a transfer, such as a repository of the same registry. */
export interface Mounter {
  canMountFrom(source: ContentReader): boolean;
  /** Mounts the blob. If the store does not mount it, the bytes of `open` are uploaded. */
  mountBlob(
    descriptor: Descriptor,
    from: ContentReader,
    open: () => AsyncIterable<Uint8Array>,
    options?: ContentOptions,
  ): Promise<'mounted' | 'uploaded'>;
}

/** Lists and removes tags. */
export interface TagStore {
  tags(options?: ContentOptions): AsyncIterable<string>;
  untag(tag: string, options?: ContentOptions): Promise<void>;
}

/** Lists the referrers of a manifest. */
export interface ReferrerLister {
  /** Returns the manifests with this subject. If `artifactType` is given, only manifests of this type are returned. */
  referrers(digest: Digest, artifactType?: string, options?: ContentOptions): Promise<readonly Descriptor[]>;
  /**
   * Whether the store finds referrers by their subject (the referrers API). If not, a client that pushes a referrer
   * must also update the referrers tag (distribution-spec v1.1.1 "Pushing Manifests with Subject"). A store without
   * this method always finds them by subject.
   * @param digest - any digest, for the request to the referrers API
   */
  supportsReferrers?(digest: Digest, options?: ContentOptions): Promise<boolean>;
}

/** The properties of a container engine as a target. */
export interface EngineTargetFacts {
  /** Whether the engine holds lists. If not, it holds single images only. */
  readonly holdsLists: boolean;
  /** The name of the engine, such as `podman at unix:///run/podman/podman.sock`. */
  readonly name: string;
  /** Whether the engine has all content that the image or list with the target's name refers to. */
  readonly isComplete: () => Promise<boolean>;
}

/** A store that compresses the layers of its images. */
export interface Recompressor {
  /**
   * Returns the manifest of an image with the layer compression of this store; undefined if the store does not have the
   * image.
   * @param digest - the digest of the image's manifest, whatever the compression of its layers
   */
  recompressed(digest: Digest): Promise<ManifestContent | undefined>;
}

/** A store that records which repositories its content came from. */
export interface OriginLister {
  /**
   * Returns the repositories that a manifest and its descendants may have come from, without tags, the most reliable
   * first. The names may be wrong, or chosen by an attacker.
   */
  origins(digest: Digest): Promise<readonly Reference[]>;
}

/** A store that reads content that it lacks from other stores. */
export interface CompositeStore {
  /** Returns the store that has a manifest, or a blob that an index lists; undefined if no store has it. */
  holderOf(content: Descriptor, options?: ContentOptions): Promise<ReadStore | undefined>;
  /**
   * Returns the stores that have the blobs of a manifest, keyed by the digest of the blob. Omits blobs that no store
   * has.
   * @param holder - the store that has the manifest
   */
  blobHolders(
    blobs: readonly Descriptor[],
    holder: ReadStore,
    options?: ContentOptions,
  ): Promise<ReadonlyMap<Digest, ReadStore>>;
}

/** A store to read from, with the optional interfaces that it may implement. */
export type ReadStore = ContentReader &
  Partial<Connectable & ReferrerLister & ExistenceChecker & LocalStore & Recompressor & OriginLister & CompositeStore>;

/** A store to write to, with the optional interfaces that it may implement. */
export type Store = ContentWriter &
  Partial<Mounter> &
  Partial<ReferrerLister> & {
    /** Set only if the store is a container engine. Its image names cannot be checked like the tags of a registry. */
    readonly engine?: EngineTargetFacts;
  };

/** Returns the reference of content in a store, for messages: `LOCATION@DIGEST` or `LOCATION:TAG`. */
export function contentReference(location: string, name: TagOrDigest): string {
  return `${location}${isDigestName(name) ? '@' : ':'}${name}`;
}

/**
 * Thrown if a read has failed, but may succeed at another host. The caller may read the content again from its start.
 */
export class RepeatableReadError extends MlistError {
  constructor({ code, message, facts }: MlistError) {
    super(code, message, facts);
  }
}

/** Creates the error for a write whose condition `ifMatch` is not met. */
export function conflictError(reference: string, expected: NonNullable<PutOptions['ifMatch']>): MlistError {
  const reason = expected === 'absent' ? 'it already exists' : `it does not refer to ${expected}`;
  return new MlistError('ERR_MLIST_CONFLICT', `cannot write ${reference}: ${reason}`, { reference });
}
