import { MlistError } from '../errors/errors.ts';
import type { Annotations, Descriptor } from './descriptor.ts';
import { jsonObject, memberNames, type Json } from '../json/json.ts';
import { writeJson } from '../json/stringify.ts';
import { MediaType } from './media-type.ts';
import type { ImageIndex } from './manifest.ts';
import type { Platform } from './platform/platform.ts';

/**
 * This module encodes lists. Other modules must not encode them, because the exact bytes matter: they are hashed and
 * pushed. Unknown members follow the known ones, in the order of the source.
 */

type Members = Readonly<Record<string, Json | undefined>>;

export interface EncodeOptions {
  /** Whether to write known members that are empty (`{}`, `[]`, `""`). Go's tools omit them. Default false. */
  readonly keepEmpty?: boolean | undefined;
}

/** An image index. `schemaVersion` and `mediaType` may be omitted, because they are always written. */
export type ImageIndexInput = Omit<ImageIndex, 'schemaVersion' | 'mediaType'> & Partial<ImageIndex>;

/**
 * Encodes an OCI image index as compact JSON. For the same entries, Go tools (regctl, oras, buildah) push the same
 * bytes: `json.Marshal` of image-spec v1.1.1 `specs-go/v1.Index`.
 */
export function encodeImageIndex(index: ImageIndexInput, options: EncodeOptions = {}): Uint8Array {
  const encoder = new MemberEncoder(options);
  const known = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    artifactType: index.artifactType,
    manifests: index.manifests.map((entry) => encoder.ociDescriptor(entry)),
    subject: index.subject === undefined ? undefined : encoder.ociDescriptor(index.subject),
    annotations: sorted(index.annotations),
  };
  return toBytes(writeJson(encoder.members(index, known, ['manifests']), { goEscapes: true }));
}

/**
 * Encodes a Docker manifest list. `docker manifest push` (28.2) sends the same bytes:
 * `json.MarshalIndent(list, "", "   ")`.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` if an entry has no platform, or has a member that is not allowed in a
 * Docker list, such as annotations
 */
export function encodeManifestList(
  list: { readonly manifests: readonly Descriptor[] },
  options: EncodeOptions = {},
): Uint8Array {
  const encoder = new MemberEncoder(options);
  const known = {
    schemaVersion: 2,
    mediaType: MediaType.dockerList,
    manifests: list.manifests.map((entry, position) => encoder.dockerDescriptor(entry, position)),
  };
  return toBytes(writeJson(encoder.members(list, known, ['manifests']), { goEscapes: true, indent: '   ' }));
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

/** Puts the members of objects into the order of the Go structs. */
class MemberEncoder {
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
    const ociMember = (['urls', 'annotations', 'data', 'artifactType'] as const).find(
      (name) => descriptor[name] !== undefined,
    );
    if (ociMember !== undefined || platform === undefined) {
      throw new MlistError(
        'ERR_MLIST_LIST_INVALID',
        `entry ${position} (${digest}) is not allowed in a Docker manifest list: ` +
          (ociMember === undefined ? 'it has no platform' : `it has ${ociMember}, which only an OCI index can contain`),
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

  /** Returns the known members in this order, without empty optional ones, then the unknown members of the source. */
  members(source: object, known: Members, required: readonly string[]): Json {
    const written = Object.entries(known).filter(
      ([name, value]) => value !== undefined && (this.#keepEmpty || required.includes(name) || !isEmpty(value)),
    );
    const unknown = memberNames(source).filter((name) => !Object.hasOwn(known, name));
    return jsonObject([...written, ...unknown.map((name) => [name, (source as Members)[name]] as const)]);
  }
}

function isEmpty(value: Json | undefined): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Sorts annotations by the UTF-8 bytes of their keys, as Go does. JavaScript would sort by UTF-16 code units. */
function sorted(annotations: Annotations | undefined): Json | undefined {
  if (annotations === undefined) return undefined;
  const names = Object.keys(annotations).sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  return jsonObject(names.map((name) => [name, annotations[name]]));
}
