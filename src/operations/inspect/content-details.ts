import { AnnotationKey, isAttestation, minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Location } from '../../oci/location.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { readImageManifest, readIndex } from '../../schema/documents.ts';
import { contentFault, MAX_LIST_DEPTH, TOO_DEEP, TOO_MANY } from '../content-fault.ts';
import { listReferrers } from '../list-referrers.ts';
import { readChild, type Child, type ContentAccess } from '../lookup.ts';
import { groupAttestations, viewOfEntry, type BlobView, type ContentDetails, type ReferrerView } from './entry-view.ts';

export interface DetailOptions {
  /**
   * Read the manifests of images from registries and engines, for their sizes. Default: only cached and local
   * manifests.
   */
  readonly sizes?: boolean | undefined;
  /** Read also the layers, the nested lists and the predicate types of attestations. Default false. */
  readonly tree?: boolean | undefined;
  /** Read also the referrers of each image and nested list. Default false. */
  readonly referrers?: boolean | undefined;
  /** Limit on the manifests that are read. Default 1024. */
  readonly maxRead?: number | undefined;
}

/** Limits on the documents that are read and on the entries of nested lists: many times what real lists contain. */
const MAX_READ = 1024;
const MAX_INNER = 10_000;

/** Reads the manifests below one list. */
export class DetailReader {
  readonly #options: ContentAccess & DetailOptions;
  #read = 0;
  #inner = 0;

  constructor(options: ContentAccess & DetailOptions) {
    this.#options = options;
  }

  /**
   * The details of an entry. Missing or invalid content is a fault of the entry.
   * @throws MlistError if the content cannot be read for another reason, such as a network error
   */
  async detailsOf(child: Child, depth = 0): Promise<ContentDetails> {
    const [content, referrers] = await Promise.all([this.#contentOf(child, depth), this.referrersOf(child)]);
    return { ...content, ...referrers };
  }

  /** The details in a document that is already read. */
  async detailsIn(bytes: Uint8Array, child: Child, depth = 0): Promise<ContentDetails> {
    const { digest, mediaType } = child.descriptor;
    if (isIndexType(mediaType)) return this.#nested(readIndex(bytes, mediaType, digest).manifests, child, depth);
    const { config, layers } = readImageManifest(bytes, mediaType, digest);
    const imageSize = [config, ...layers].reduce((sum, { size }) => sum + size, 0);
    if (this.#options.tree !== true) return { imageSize };
    return { imageSize, config: minimalDescriptor(config), layers: layers.map(viewOfBlob) };
  }

  async #contentOf(child: Child, depth: number): Promise<ContentDetails> {
    const { mediaType } = child.descriptor;
    const isDetailed = isIndexType(mediaType) || isAttestation(child.descriptor);
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return {};
    if (isDetailed && this.#options.tree !== true) return {};
    try {
      const bytes = await this.#bytesOf(child);
      return bytes === undefined ? {} : await this.detailsIn(bytes, child, depth);
    } catch (error) {
      const fault = error instanceof TooManyError ? TOO_MANY : contentFault(error);
      if (fault === undefined) throw error;
      return { fault };
    }
  }

  /** The bytes of a manifest; undefined if it is neither cached nor local, and its content was not requested. */
  async #bytesOf(child: Child): Promise<Uint8Array | undefined> {
    const { sizes = false, tree = false, cache } = this.#options;
    const known = await cache.get(child.descriptor.digest);
    if (known !== undefined) return known;
    const isRequested = sizes || tree;
    if (!isRequested && !isCheapToRead(child.source)) return undefined;
    this.#read += 1;
    if (this.#read > (this.#options.maxRead ?? MAX_READ)) throw new TooManyError();
    try {
      return (await readChild(child, this.#options)).bytes;
    } catch (error) {
      // If no option requests the content, its size is only additional information, and the source may be one that must
      // not be read, so errors are ignored.
      if (isRequested || this.#options.signal?.aborted === true) throw error;
      return undefined;
    }
  }

  async #nested(manifests: readonly Descriptor[], child: Child, depth: number): Promise<ContentDetails> {
    if (depth + 1 >= MAX_LIST_DEPTH) return { fault: TOO_DEEP };
    this.#inner += manifests.length;
    if (this.#inner > MAX_INNER) return { fault: TOO_MANY };
    const views = manifests.map(async (entry) => ({
      entry,
      view: {
        ...viewOfEntry(entry, undefined),
        ...(await this.detailsOf({ ...child, descriptor: entry }, depth + 1)),
      },
    }));
    return { entries: groupAttestations(await Promise.all(views)) };
  }

  /** The referrers of an image or a list, if they were requested. */
  async referrersOf({ source, fill, descriptor }: Child): Promise<Pick<ContentDetails, 'referrers'>> {
    const { referrers = false, stores, signal } = this.#options;
    if (!referrers || isAttestation(descriptor)) return {};
    const store = await (await stores()).source(source, { fill, signal });
    const found = await listReferrers(store, descriptor.digest, { signal });
    return { referrers: found.map(viewOfReferrer) };
  }
}

class TooManyError extends Error {}

/** Whether reading a manifest takes neither a request nor an export of an image. */
function isCheapToRead({ kind }: Location): boolean {
  return kind === 'oci' || kind === 'oci-archive';
}

function viewOfBlob(blob: Descriptor): BlobView {
  const predicateType = blob.annotations?.[AnnotationKey.predicateType];
  return { ...minimalDescriptor(blob), ...(predicateType === undefined ? {} : { predicateType }) };
}

function viewOfReferrer({ mediaType, digest, size, artifactType, annotations }: Descriptor): ReferrerView {
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
