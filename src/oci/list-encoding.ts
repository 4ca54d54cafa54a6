import { MlistError } from '../errors/errors.ts';
import type { Annotations, Descriptor } from './descriptor.ts';
import { jsonObject, memberNames, type Json } from '../json/json.ts';
import { writeJson } from '../json/stringify.ts';
import { MediaType } from './media-type.ts';
import type { ImageIndex } from './manifest.ts';
import type { Platform } from './platform/platform.ts';

/**
 * The one place that writes list bytes. What comes out is what is hashed and what is sent.
 * Members that mlist does not know follow the known ones, in the order in which they came.
 */

type Members = Readonly<Record<string, Json | undefined>>;

export interface EncodeOptions {
  /** Write known members that are there but empty (`{}`, `[]`, `""`) instead of leaving them out as Go's tools do. */
  readonly keepEmpty?: boolean | undefined;
}

/** What `encodeImageIndex` takes: the type and version are always written, so they need not be given. */
export type ImageIndexInput = Omit<ImageIndex, 'schemaVersion' | 'mediaType'> & Partial<ImageIndex>;

/**
 * An OCI image index as compact JSON: byte for byte what Go tools (regctl, oras, buildah) push for the same entries,
 * that is `json.Marshal` of image-spec v1.1.1 `specs-go/v1.Index`.
 */
export function encodeImageIndex(index: ImageIndexInput, options: EncodeOptions = {}): Uint8Array {
  const order = new Order(options);
  const known = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    artifactType: index.artifactType,
    manifests: index.manifests.map((entry) => order.ociDescriptor(entry)),
    subject: index.subject === undefined ? undefined : order.ociDescriptor(index.subject),
    annotations: sorted(index.annotations),
  };
  return toBytes(writeJson(order.members(index, known, ['manifests']), { goEscapes: true }));
}

/**
 * A Docker manifest list: byte for byte what `docker manifest push` (28.2) sends, that is
 * `json.MarshalIndent(list, "", "   ")`.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` where an entry holds what a Docker list cannot.
 */
export function encodeManifestList(
  list: { readonly manifests: readonly Descriptor[] },
  options: EncodeOptions = {},
): Uint8Array {
  const order = new Order(options);
  const known = {
    schemaVersion: 2,
    mediaType: MediaType.dockerList,
    manifests: list.manifests.map((entry, position) => order.dockerDescriptor(entry, position)),
  };
  return toBytes(writeJson(order.members(list, known, ['manifests']), { goEscapes: true, indent: '   ' }));
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

class Order {
  readonly #keepEmpty: boolean;

  constructor({ keepEmpty = false }: EncodeOptions) {
    this.#keepEmpty = keepEmpty;
  }

  ociDescriptor(descriptor: Descriptor): Json {
    const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor;
    return this.members(
      descriptor,
      {
        mediaType,
        digest,
        size,
        urls,
        annotations: sorted(annotations),
        data,
        platform: platform && this.#platform(platform),
        artifactType,
      },
      ['mediaType', 'digest', 'size', 'platform'],
    );
  }

  dockerDescriptor(descriptor: Descriptor, position: number): Json {
    const { mediaType, size, digest, platform } = descriptor;
    const tooMuch = (['urls', 'annotations', 'data', 'artifactType'] as const).find(
      (name) => descriptor[name] !== undefined,
    );
    if (tooMuch !== undefined || platform === undefined) {
      throw new MlistError(
        'ERR_MLIST_LIST_INVALID',
        `entry ${position} (${digest}) does not fit a Docker manifest list: ` +
          (tooMuch === undefined ? 'it has no platform' : `it has ${tooMuch}, which only an OCI index can hold`),
        { hint: 'Use the format oci.' },
      );
    }
    return this.members(descriptor, { mediaType, size, digest, platform: this.#platform(platform) }, ['platform']);
  }

  #platform(platform: Platform): Json {
    const { architecture, os, variant, 'os.version': version, 'os.features': features } = platform;
    return this.members(platform, { architecture, os, 'os.version': version, 'os.features': features, variant }, [
      'architecture',
      'os',
    ]);
  }

  /** The known members in their order, without the empty ones that nobody requires, then all others of the source. */
  members(source: object, known: Members, required: readonly string[]): Json {
    const kept = Object.entries(known).filter(
      ([name, value]) => value !== undefined && (this.#keepEmpty || required.includes(name) || !isEmpty(value)),
    );
    const others = memberNames(source).filter((name) => !Object.hasOwn(known, name));
    return jsonObject([...kept, ...others.map((name) => [name, (source as Members)[name]] as const)]);
  }
}

function isEmpty(value: Json | undefined): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Annotation keys in the order of their UTF-8 bytes, as Go sorts them; JavaScript's own order goes by UTF-16. */
function sorted(annotations: Annotations | undefined): Json | undefined {
  if (annotations === undefined) return undefined;
  const names = Object.keys(annotations).sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  return jsonObject(names.map((name) => [name, annotations[name]]));
}
