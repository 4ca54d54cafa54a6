import { childrenIn, readDocument, type Children } from '../oci/children.ts';
import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { kindOf } from '../oci/manifest.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../oci/media-type.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { RequestError, type RegistryErrorEntry } from './request-error.ts';
import type { Repository } from './storage.ts';

export interface CheckedManifest {
  readonly mediaType: string;
  readonly links: Children;
}

/**
 * Reads a manifest that a client wants to put. Its bytes are kept as they are; that they can be read in one way only is
 * what makes a digest worth anything.
 * @throws Refusal 400 MANIFEST_INVALID with the reason.
 */
export function checkManifest(bytes: Uint8Array, contentType: string | undefined): CheckedManifest {
  try {
    const document = readDocument(bytes);
    const { mediaType, fault } = kindOf(document, contentType);
    if (fault !== undefined) throw invalid(fault);
    if (document['schemaVersion'] !== 2) throw invalid('its schemaVersion is not 2');
    return { mediaType, links: childrenIn(document, mediaType) };
  } catch (error) {
    if (!(error instanceof MlistError)) throw error;
    throw invalid(error.message, error.problems);
  }
}

function invalid(reason: string, detail?: unknown): RequestError {
  return new RequestError(400, { code: 'MANIFEST_INVALID', message: `the manifest is refused: ${reason}`, detail });
}

/**
 * Everything that a manifest points at must be in the repository, so that no reader finds it incomplete, and be what its
 * descriptor says. The subject may come later, and foreign layers never come (distribution-spec v1.1.1 "Pushing manifests").
 * @throws Refusal 400 with a problem for each wrong descriptor, MANIFEST_INVALID, and each missing digest, MANIFEST_BLOB_UNKNOWN
 */
export async function checkLinks({ manifests, blobs }: Children, repository: Repository): Promise<void> {
  const stored = await repository.storedManifests(manifests.map(({ digest }) => digest));
  const isManifest = ({ mediaType, digest }: Descriptor): boolean =>
    stored.has(digest) || isIndexType(mediaType) || isManifestType(mediaType);
  const others = [
    ...manifests.filter((child) => !isManifest(child)),
    ...blobs.filter(({ mediaType }) => !isForeignLayerType(mediaType)),
  ];
  const found = [
    ...(await manifestProblems(manifests.filter(isManifest), stored, repository)),
    ...(await Promise.all(others.map((blob) => blobProblem(blob, repository)))),
  ];
  const problems = new Map(found.flatMap((problem) => (problem === undefined ? [] : [[problem.detail, problem]])));
  if (problems.size > 0) throw new RequestError(400, [...problems.values()]);
}

async function manifestProblems(
  children: readonly Descriptor[],
  stored: ReadonlyMap<Digest, Descriptor>,
  repository: Repository,
): Promise<readonly RegistryErrorEntry[]> {
  const problems: RegistryErrorEntry[] = [];
  const allowed = new Map<string, boolean>();
  for (const { mediaType, digest, size } of children) {
    const content = stored.get(digest);
    if (content === undefined) problems.push(missing(digest));
    else if (content.size !== size) problems.push(wrong(digest, `has ${content.size} bytes, not ${size}`));
    else if (content.mediaType !== mediaType) {
      const key = `${digest} ${mediaType}`;
      const isAllowed = allowed.get(key) ?? (await mayBe(mediaType, content, repository));
      allowed.set(key, isAllowed);
      if (!isAllowed) problems.push(wrong(digest, `is ${content.mediaType}, not ${mediaType}`));
    }
  }
  return problems;
}

/** Whether the bytes of a manifest, which was put as another type, may also be of this one: they state none. */
async function mayBe(mediaType: string, { digest }: Descriptor, repository: Repository): Promise<boolean> {
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return false;
  const { bytes } = await repository.fetchManifest(digest);
  return kindOf(readDocument(bytes), mediaType).fault === undefined;
}

async function blobProblem(
  { digest, size }: Descriptor,
  repository: Repository,
): Promise<RegistryErrorEntry | undefined> {
  const actual = await ignoreNotFound(repository.blobSize(digest));
  if (actual === undefined) return missing(digest);
  return actual === size ? undefined : wrong(digest, `has ${actual} bytes, not ${size}`);
}

function missing(digest: Digest): RegistryErrorEntry {
  const message = 'the manifest points at what is not in the repository';
  return { code: 'MANIFEST_BLOB_UNKNOWN', message, detail: digest };
}

function wrong(digest: Digest, reason: string): RegistryErrorEntry {
  return { code: 'MANIFEST_INVALID', message: `the manifest is refused: ${digest} ${reason}`, detail: digest };
}
