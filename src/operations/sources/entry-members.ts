import type { Entry } from '../../draft/draft.ts';
import { attestedDigest, type Descriptor } from '../../oci/descriptor.ts';
import { isDigest } from '../../oci/digest.ts';
import { jsonObject, memberNames, type JsonObject } from '../../json/json.ts';

/**
 * Converts a descriptor to the members of an entry, without changing values. The platform becomes `detected`, and
 * members that are not in image-spec become `extra`.
 */
export function entryMembers(descriptor: Descriptor): Omit<Entry, 'source'> {
  const { mediaType, digest, size, platform, annotations, artifactType, urls, data } = descriptor;
  const attests = attestedDigest(descriptor);
  const extra = unknownMembers(descriptor, descriptorMembers);
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { detected: platform }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(urls === undefined ? {} : { urls }),
    ...(data === undefined ? {} : { data }),
    ...(attests === undefined || !isDigest(attests) ? {} : { attests }),
    ...(extra === undefined ? {} : { extra }),
  };
}

const descriptorMembers = ['mediaType', 'digest', 'size', 'platform', 'annotations', 'artifactType', 'urls', 'data'];

/**
 * Returns the members of a document that are not in `known`, in their original order. Returns undefined if there are
 * none.
 */
export function unknownMembers(document: object, known: readonly string[]): JsonObject | undefined {
  const names = memberNames(document).filter((name) => !known.includes(name));
  return names.length === 0 ? undefined : jsonObject(names.map((name) => [name, (document as JsonObject)[name]]));
}
