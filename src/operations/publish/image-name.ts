import { canonicalReference, isTag } from '../../oci/reference.ts';

/**
 * Returns the full reference of an image in an archive. An engine that loads the archive uses this reference as the
 * name of the image.
 * @param ref - a full reference, or a tag of the repository that the image comes from
 * @param repository - `domain/path`; undefined if the image does not come from a repository
 * @returns undefined if `ref` is a tag and there is no repository
 */
export function imageNameOf(ref: string, repository: string | undefined): string | undefined {
  if (!isTag(ref)) return canonicalReference(ref);
  return repository === undefined ? undefined : `${repository}:${ref}`;
}
