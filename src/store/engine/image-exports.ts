import { setTimeout as delay } from 'node:timers/promises';
import { MlistError } from '../../errors/errors.ts';
import type { Spool } from '../../fs/spool.ts';
import { isAttestation } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { DockerArchive, openDockerArchive } from '../archive/docker-archive.ts';
import { OciArchive } from '../archive/oci-archive.ts';
import type { OpenOptions } from '../archive/tar/tar-file.ts';
import type { LayerCompression } from '../docker-image/layer-compression.ts';
import type { LayerCompressor } from '../docker-image/layer-compressor.ts';
import type { ContentOptions } from '../store.ts';
import { limitedTo } from '../verify.ts';
import type { EngineImage, EnginePart } from './engine-image.ts';
import type { Engine } from './engine.ts';

/** Manifests that are requested within this time are exported together. */
const BATCH_MS = 20;

/**
 * The size that is allowed for an export in addition to the content of the image: tar headers, lists of images,
 * indexes.
 */
const OVERHEAD_BYTES = 64 * 1024 * 1024;

export interface ExportsOptions extends ContentOptions {
  /** Where exports are stored. They are read at random positions, because their list of images comes last. */
  readonly spool: Spool;
  /** The compression of the layers of engines without manifests, which export layers uncompressed. */
  readonly compression: LayerCompression;
  readonly compressor: () => Promise<LayerCompressor>;
}

/** Manifests that are requested together. */
interface Batch {
  readonly wanted: Set<Digest>;
  /** Whether only one manifest was requested. */
  readonly isSingle: Promise<boolean>;
}

/** The exports of one image. Each part is exported at most once, and only if it is needed. */
export class ImageExports {
  readonly #engine: Engine;
  readonly #image: EngineImage;
  readonly #reference: string;
  readonly #options: ExportsOptions;
  #whole: Promise<OciArchive> | undefined;
  #saved: Promise<DockerArchive> | undefined;
  /** Exports of one platform, by the digest of its manifest. */
  readonly #parts = new Map<Digest, Promise<OciArchive>>();
  #batch: Batch | undefined;

  constructor(engine: Engine, image: EngineImage, reference: string, options: ExportsOptions) {
    this.#engine = engine;
    this.#image = image;
    this.#reference = reference;
    this.#options = options;
  }

  /** The whole image of a containerd store. */
  whole(): Promise<OciArchive> {
    this.#whole ??= this.#openLayout();
    return this.#whole;
  }

  /** An image of a classic store or podman, in the format of `docker save`. */
  saved(): Promise<DockerArchive> {
    this.#saved ??= this.#openSaved();
    return this.#saved;
  }

  /** An export that has this manifest. If only one of several platforms is needed, the others are not exported. */
  async withManifest(digest: Digest): Promise<OciArchive> {
    const exported = this.#whole ?? this.#parts.get(digest);
    if (exported !== undefined) return exported;
    const part = this.#separatePart(digest);
    if (part === undefined) return this.whole();
    this.#batch ??= this.#startBatch();
    this.#batch.wanted.add(digest);
    if (!(await this.#batch.isSingle)) return this.whole();
    const opening = this.#parts.get(digest) ?? this.#openLayout(part.descriptor.platform);
    this.#parts.set(digest, opening);
    return opening;
  }

  /**
   * An export that has this blob. Usually the export already exists, since a blob is read after the manifest that names
   * it.
   */
  async withBlob(digest: Digest): Promise<OciArchive> {
    for (const opening of [this.#whole, ...this.#parts.values()]) {
      const archive = await opening?.catch(() => undefined);
      if (archive !== undefined && (await archive.storedSize(digest)) !== undefined) return archive;
    }
    return this.whole();
  }

  /** Closes all exports. */
  async close(): Promise<void> {
    const opened = [this.#whole, this.#saved, ...this.#parts.values()].filter((opening) => opening !== undefined);
    await Promise.all(opened.map((opening) => opening.then((archive) => archive.close()).catch(() => undefined)));
  }

  #startBatch(): Batch {
    const wanted = new Set<Digest>();
    const isSingle = delay(BATCH_MS).then(() => {
      this.#batch = undefined;
      return wanted.size === 1;
    });
    return { wanted, isSingle };
  }

  /**
   * The part with this manifest, if it can be exported alone: it is the only image for its platform, and the engine has
   * images for other platforms.
   */
  #separatePart(digest: Digest): EnginePart | undefined {
    const images = this.#image.parts.filter(({ descriptor, isAvailable }) => isAvailable && !isAttestation(descriptor));
    const part = images.find(({ descriptor }) => descriptor.digest === digest);
    if (part?.descriptor.platform === undefined || images.length < 2) return undefined;
    const platform = JSON.stringify(part.descriptor.platform);
    return images.every((one) => one === part || JSON.stringify(one.descriptor.platform) !== platform)
      ? part
      : undefined;
  }

  #openLayout(platform?: Platform): Promise<OciArchive> {
    return OciArchive.open(this.#reference, this.#opening(platform));
  }

  async #openSaved(): Promise<DockerArchive> {
    const { compression } = this.#options;
    const compressor = await this.#options.compressor();
    const archive = await openDockerArchive(this.#reference, { ...this.#opening(), compression, compressor });
    if (archive instanceof DockerArchive) return archive;
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `the export of ${this.#reference} contains no list of images`, {
      reference: this.#reference,
    });
  }

  #opening(platform?: Platform): OpenOptions {
    const { signal, spool } = this.#options;
    const reference = this.#reference;
    const maxBytes = maxBytesOf(this.#image);
    const exceeded = () => {
      const message = `the engine sends more than the ${maxBytes} bytes that ${reference} can have according to its description`;
      return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message, { reference });
    };
    const input = () =>
      limitedTo(maxBytes, this.#engine.export(this.#image, reference, { platform, signal }), exceeded);
    return { name: reference, location: reference, signal, spool, input };
  }
}

/**
 * Maximum number of bytes of an export. Unlimited for image stores that do not state the size of their content, which
 * are all except that of containerd.
 */
function maxBytesOf({ parts }: EngineImage): number {
  const content = parts.reduce((sum, { contentBytes }) => sum + contentBytes, 0);
  return content === 0 ? Infinity : content + OVERHEAD_BYTES;
}
