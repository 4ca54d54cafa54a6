import type { Digest } from '../oci/digest.ts';
import { digestOf } from '../oci/digest.ts';
import { encodeImageIndex, encodeManifestList } from '../oci/list-encoding.ts';
import type { Index } from '../oci/manifest.ts';
import { isDockerType, MediaType } from '../oci/media-type.ts';
import type { ManifestContent } from '../store/store.ts';
import { annotationsOf, descriptorOf, type Draft, type Entry, type Format } from './draft.ts';

export interface EncodedList {
  readonly mediaType: Index['mediaType'];
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Converts an encoded list to the manifest content that stores accept. */
export function contentOfList({ mediaType, digest, bytes }: EncodedList): ManifestContent {
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** Returns the format in which the draft is pushed. `auto` is resolved to docker or oci. */
export function formatOf(draft: Draft): Exclude<Format, 'auto'> {
  if (draft.format !== 'auto') return draft.format;
  return draft.entries.length > 0 && draft.entries.every(fitsDocker) && ociMembersOf(draft).length === 0
    ? 'docker'
    : 'oci';
}

/** Returns the members of the list itself that are set in the draft, and that only an OCI index can have. */
export function ociMembersOf(draft: Draft): readonly ('annotations' | 'artifactType' | 'subject')[] {
  return (['annotations', 'artifactType', 'subject'] as const).filter((name) => draft[name] !== undefined);
}

function fitsDocker(entry: Entry): boolean {
  const { urls, data, artifactType } = descriptorOf(entry);
  return (
    isDockerType(entry.mediaType) && annotationsOf(entry) === undefined && (urls ?? data ?? artifactType) === undefined
  );
}

export function listOf(draft: Draft): Index {
  const manifests = draft.entries.map(descriptorOf);
  if (formatOf(draft) === 'docker')
    return { schemaVersion: 2, mediaType: MediaType.dockerList, manifests, ...draft.extra };
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    ...(draft.artifactType === undefined ? {} : { artifactType: draft.artifactType }),
    manifests,
    ...(draft.subject === undefined ? {} : { subject: draft.subject }),
    ...(draft.annotations === undefined ? {} : { annotations: draft.annotations }),
    ...draft.extra,
  };
}

/** Encodes the list of a draft. A push sends exactly these bytes. */
export function encodeDraft(draft: Draft): EncodedList {
  return encodeList(listOf(draft));
}

/** Encodes a list in its own format. */
export function encodeList(list: Index): EncodedList {
  const options = { keepEmpty: true };
  const bytes =
    list.mediaType === MediaType.dockerList ? encodeManifestList(list, options) : encodeImageIndex(list, options);
  return { mediaType: list.mediaType, digest: digestOf(bytes), bytes };
}
