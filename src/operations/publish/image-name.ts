import { canonicalReference, isTag } from '../../oci/reference.ts';

/**
 * The full reference of an image in an archive, which is the name that an engine gives it when it loads the archive.
 * @param ref - a full reference, or a tag of the repository that the image comes from
 * @param repository - `domain/path`; undefined if the image does not come from a repository
 */
export function imageNameOf(ref: string, repository: string | undefined): string | undefined {
  if (!isTag(ref)) return canonicalReference(ref);
  return repository === undefined ? undefined : `${repository}:${ref}`;
}
