import { linksOf, readDocument, type Links } from '../oci/links.ts';
import { MlistError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { kindOf } from '../oci/manifest.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../oci/media-type.ts';
import { Refusal } from './refusal.ts';
import type { Repository } from './storage.ts';

export interface CheckedManifest {
  readonly mediaType: string;
  readonly links: Links;
}

/**
 * Reads a manifest that a client wants to put. Its bytes are kept as they are; that they can be read in one way only is
 * what makes a digest worth anything.
 * @throws Refusal 400 MANIFEST_INVALID with the reason.
 */
export function checkDocument(bytes: Uint8Array, contentType: string | undefined): CheckedManifest {
  try {
    const document = readDocument(bytes);
    const { mediaType, fault } = kindOf(document, contentType);
    if (fault !== undefined) throw invalid(fault);
    if (document['schemaVersion'] !== 2) throw invalid('its schemaVersion is not 2');
    return { mediaType, links: linksOf(document, mediaType) };
  } catch (error) {
    if (!(error instanceof MlistError)) throw error;
    throw invalid(error.message, error.problems);
  }
}

function invalid(reason: string, detail?: unknown): Refusal {
  return new Refusal(400, { code: 'MANIFEST_INVALID', message: `the manifest is refused: ${reason}`, detail });
}

/**
 * Everything that a manifest points at must be in the repository, so that no reader finds it incomplete. The subject
 * may come later, and foreign layers never come (distribution-spec v1.1.1 "Pushing manifests").
 * @throws Refusal 400 MANIFEST_BLOB_UNKNOWN, a problem for each missing digest.
 */
export async function checkPresence(links: Links, repository: Repository): Promise<void> {
  const isManifest = ({ mediaType }: Descriptor): boolean => isIndexType(mediaType) || isManifestType(mediaType);
  const children = links.manifests.filter(isManifest).map(({ digest }) => digest);
  const blobs = [
    ...links.manifests.filter((child) => !isManifest(child)),
    ...links.blobs.filter(({ mediaType }) => !isForeignLayerType(mediaType)),
  ];
  const isThere = await Promise.all(blobs.map((blob) => repository.hasBlob(blob)));
  const missing = [
    ...(children.length === 0 ? [] : await repository.missingManifests(children)),
    ...blobs.filter((_, position) => isThere[position] !== true).map(({ digest }) => digest),
  ];
  if (missing.length === 0) return;
  throw new Refusal(
    400,
    [...new Set(missing)].map((digest) => ({
      code: 'MANIFEST_BLOB_UNKNOWN',
      message: 'the manifest points at what is not in the repository',
      detail: digest,
    })),
  );
}
