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
   * Determine the sizes of all images. Default false: only of images whose manifests are cached, or are stored in a
   * layout or an OCI archive.
   */
  readonly sizes?: boolean | undefined;
  /**
   * Also return the configs and layers of images, the entries of nested lists, and the predicate types of attestations.
   * Default false.
   */
  readonly tree?: boolean | undefined;
  /** Also read the referrers of each image and nested list. Default false. */
  readonly referrers?: boolean | undefined;
  /** Maximum number of manifests that are read from stores. Default 1024. */
  readonly maxRead?: number | undefined;
}

/** Limits on the number of manifests that are read, and of entries in nested lists. Real lists have far fewer. */
const MAX_READ = 1024;
const MAX_INNER = 10_000;

/** Reads the manifests below one list. The limits apply to all calls together. */
export class DetailReader {
  readonly #options: ContentAccess & DetailOptions;
  #read = 0;
  #inner = 0;

  constructor(options: ContentAccess & DetailOptions) {
    this.#options = options;
  }

  /**
   * Reads the details of an entry. If its content is missing or invalid, or a limit is exceeded, the result has a
   * `fault`.
   * @throws MlistError if the content cannot be read for another reason, such as a network error
   */
  async detailsOf(child: Child, depth = 0): Promise<ContentDetails> {
    const [content, referrers] = await Promise.all([this.#contentOf(child, depth), this.referrersOf(child)]);
    return { ...content, ...referrers };
  }

  /** Returns the details in a manifest or list that was already read. */
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

  /**
   * Returns the bytes of a manifest. If neither `sizes` nor `tree` is set, returns undefined for a manifest that is
   * neither cached nor cheap to read, or whose read fails.
   */
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
      // If no option requires the content, a failed read only means that the size is not shown. For example, the source
      // may be outside the project, where drafts are not permitted to refer to it.
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

  /** Reads the referrers of an image or a list, if the options request them. */
  async referrersOf({ source, fill, descriptor }: Child): Promise<Pick<ContentDetails, 'referrers'>> {
    const { referrers = false, stores, signal } = this.#options;
    if (!referrers || isAttestation(descriptor)) return {};
    const store = await (await stores()).source(source, { fill, signal });
    const found = await listReferrers(store, descriptor.digest, { signal });
    return { referrers: found.map(viewOfReferrer) };
  }
}

class TooManyError extends Error {}

/** Whether a manifest can be read from a local file, without a request, an export or a conversion. */
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
