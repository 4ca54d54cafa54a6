import { childrenIn, readDocument, type Children } from '../../oci/children.ts';
import { MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { kindOf } from '../../oci/manifest.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../../oci/media-type.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { RequestError, type RegistryErrorEntry } from '../request-error.ts';
import type { RequiredContent } from '../../store/store.ts';
import type { Repository } from '../storage.ts';

export interface CheckedManifest {
  readonly mediaType: string;
  /** The content that the manifest refers to. */
  readonly children: Children;
}

/**
 * Parses and checks a manifest that a client pushes. Ambiguous JSON, such as duplicate members, is refused, because
 * clients could interpret the same bytes differently.
 * @throws RequestError 400 MANIFEST_INVALID if the manifest is invalid
 */
export function checkManifest(bytes: Uint8Array, contentType: string | undefined): CheckedManifest {
  try {
    const document = readDocument(bytes);
    const { mediaType, fault } = kindOf(document, contentType);
    if (fault !== undefined) throw invalid(fault);
    if (document['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2');
    return { mediaType, children: childrenIn(document, mediaType) };
  } catch (error) {
    if (!(error instanceof MlistError)) throw error;
    throw invalid(error.message, error.problems);
  }
}

function invalid(reason: string, detail?: unknown): RequestError {
  return new RequestError(400, { code: 'MANIFEST_INVALID', message: `invalid manifest: ${reason}`, detail });
}

/**
 * Checks that the repository has all children and blobs of a manifest, and that they match their descriptors. The
 * subject may be pushed later, and foreign layers are not pushed (distribution-spec v1.1.1 "Pushing manifests").
 * @param options - with `allowSparse`, all other content may be missing, too
 * @returns the content that the repository has
 * @throws RequestError 400 if content is missing or does not match, with one MANIFEST_BLOB_UNKNOWN or MANIFEST_INVALID
 *   problem for each digest
 */
export async function checkChildren(
  { manifests, blobs }: Children,
  repository: Repository,
  { allowSparse }: { readonly allowSparse: boolean },
): Promise<RequiredContent> {
  // Without this, garbage collection could remove children after they were looked up.
  for (const { digest } of manifests) await ignoreNotFound(repository.holdBlob(digest));
  const stored = await repository.storedManifests(manifests.map(({ digest }) => digest));
  const isManifest = ({ mediaType, digest }: Descriptor): boolean =>
    stored.has(digest) || isIndexType(mediaType) || isManifestType(mediaType);
  const others = [
    ...manifests.filter((child) => !isManifest(child)),
    ...blobs.filter(({ mediaType }) => !isForeignLayerType(mediaType)),
  ];
  const results = [
    ...(await manifestProblems(manifests.filter(isManifest), stored, repository)),
    ...(await Promise.all(others.map((blob) => blobProblem(blob, repository)))),
  ];
  const relevant = results.filter((problem) => !allowSparse || problem?.code !== 'MANIFEST_BLOB_UNKNOWN');
  const problems = new Map(relevant.flatMap((problem) => (problem === undefined ? [] : [[problem.detail, problem]])));
  if (problems.size > 0) throw new RequestError(400, [...problems.values()]);
  const missing = new Set(results.map((problem) => problem?.detail));
  const found = (all: readonly Descriptor[]): readonly Digest[] =>
    all.map(({ digest }) => digest).filter((digest) => !missing.has(digest));
  return { manifests: found(manifests.filter(isManifest)), blobs: found(others) };
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
    else if (content.size !== size)
      problems.push(mismatch(digest, `has ${content.size} bytes, but its descriptor states ${size}`));
    else if (content.mediaType !== mediaType) {
      const key = `${digest} ${mediaType}`;
      const isAllowed = allowed.get(key) ?? (await canHaveType(mediaType, content, repository));
      allowed.set(key, isAllowed);
      if (!isAllowed) {
        const reason = `has the media type ${content.mediaType}, but its descriptor states ${mediaType}`;
        problems.push(mismatch(digest, reason));
      }
    }
  }
  return problems;
}

/**
 * Whether an index may list a manifest with this media type, although the manifest was pushed with another one. This is
 * allowed if the bytes of the manifest do not state a different media type.
 */
async function canHaveType(mediaType: string, { digest }: Descriptor, repository: Repository): Promise<boolean> {
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return false;
  const { bytes } = await repository.fetchManifest(digest);
  return kindOf(readDocument(bytes), mediaType).fault === undefined;
}

async function blobProblem(
  { digest, size }: Descriptor,
  repository: Repository,
): Promise<RegistryErrorEntry | undefined> {
  const actual = await ignoreNotFound(repository.holdBlob(digest));
  if (actual === undefined) return missing(digest);
  return actual === size ? undefined : mismatch(digest, `has ${actual} bytes, but its descriptor states ${size}`);
}

function missing(digest: Digest): RegistryErrorEntry {
  const message = 'the manifest refers to content that is not in the repository';
  return { code: 'MANIFEST_BLOB_UNKNOWN', message, detail: digest };
}

function mismatch(digest: Digest, reason: string): RegistryErrorEntry {
  return { code: 'MANIFEST_INVALID', message: `invalid manifest: ${digest} ${reason}`, detail: digest };
}
