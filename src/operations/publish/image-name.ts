import { canonicalReference, isTag } from '../../oci/reference.ts';

/**
 * The full reference that an image goes by in an archive, so that an engine that loads it knows its name: the name there,
 * if it is one, else the name there as a tag of the repository that it came from.
 * @param repository - `domain/path`; undefined where it did not come from a repository
 */
export function imageNameOf(ref: string, repository: string | undefined): string | undefined {
  if (!isTag(ref)) return canonicalReference(ref);
  return repository === undefined ? undefined : `${repository}:${ref}`;
}
