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

/** If several manifests are requested within this time, one export of the whole image is used for all of them. */
const BATCH_MS = 20;

/** Maximum size of what an export contains in addition to the image: tar headers, `index.json` and `manifest.json`. */
const OVERHEAD_BYTES = 64 * 1024 * 1024;

export interface ExportsOptions extends ContentOptions {
  /**
   * Stores the exports. Reading them requires random access, because `index.json` may be at the end of the tar stream.
   */
  readonly spool: Spool;
  /** How to compress layers from engines that keep no manifests. These engines export layers uncompressed. */
  readonly compression: LayerCompression;
  readonly compressor: () => Promise<LayerCompressor>;
}

/** The manifests that were requested within `BATCH_MS`. */
interface Batch {
  readonly wanted: Set<Digest>;
  /** Whether only one manifest was requested. Resolves after `BATCH_MS`. */
  readonly isSingle: Promise<boolean>;
}

/** Exports one image, as a whole or for single platforms. Each export is requested at most once, when it is needed. */
export class ImageExports {
  readonly #engine: Engine;
  readonly #image: EngineImage;
  readonly #reference: string;
  readonly #options: ExportsOptions;
  #whole: Promise<OciArchive> | undefined;
  #saved: Promise<DockerArchive> | undefined;
  /** Exports of single platforms, keyed by manifest digest. */
  readonly #parts = new Map<Digest, Promise<OciArchive>>();
  #batch: Batch | undefined;

  constructor(engine: Engine, image: EngineImage, reference: string, options: ExportsOptions) {
    this.#engine = engine;
    this.#image = image;
    this.#reference = reference;
    this.#options = options;
  }

  /** Exports a whole image from a containerd store. */
  whole(): Promise<OciArchive> {
    this.#whole ??= this.#openLayout();
    return this.#whole;
  }

  /** Exports an image from a classic store or podman, in the format of `docker save`. */
  saved(): Promise<DockerArchive> {
    this.#saved ??= this.#openSaved();
    return this.#saved;
  }

  /** Returns an export with this manifest. If only one of several platforms is needed, the others are not exported. */
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
   * Returns an existing export that contains this blob. Usually there is one, because the manifest that refers to the
   * blob was read first. Otherwise, returns the export of the whole image.
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
   * Returns the part with this manifest if it can be exported alone, that is, if it is the only image for its platform,
   * and the engine has images for other platforms. Otherwise, returns undefined.
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
    throw new MlistError(
      'ERR_MLIST_DOCUMENT_INVALID',
      `cannot read ${this.#reference}: its export has no manifest.json`,
      {
        reference: this.#reference,
      },
    );
  }

  #opening(platform?: Platform): OpenOptions {
    const { signal, spool } = this.#options;
    const reference = this.#reference;
    const maxBytes = maxBytesOf(this.#image);
    const exceeded = () => {
      const message = `the export of ${reference} is larger than ${maxBytes} bytes, although the engine describes a smaller image`;
      return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message, { reference });
    };
    const input = () =>
      limitedTo(maxBytes, this.#engine.export(this.#image, reference, { platform, signal }), exceeded);
    return { name: reference, location: reference, signal, spool, input };
  }
}

/**
 * Returns the size limit for an export, in bytes, or Infinity if the engine does not report the size of the content.
 * Only the containerd store reports it.
 */
function maxBytesOf({ parts }: EngineImage): number {
  const content = parts.reduce((sum, { contentBytes }) => sum + contentBytes, 0);
  return content === 0 ? Infinity : content + OVERHEAD_BYTES;
}
