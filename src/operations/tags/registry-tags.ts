import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatReference, repositoryName, type Reference } from '../../oci/reference.ts';
import type { Stores } from '../../store/open.ts';

export interface RegistryTagOptions {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
}

/** Yields the tags of a repository in the registry's order. Pages are fetched while the caller iterates. */
export async function* listTags(
  { domain, path }: Reference,
  { stores, signal }: RegistryTagOptions,
): AsyncGenerator<string> {
  const reference = { domain, path };
  stores.registries.expect([{ reference, push: false }]);
  yield* (await stores.registries.source(reference)).tags({ signal });
}

export interface Deleted {
  /** Canonical reference. */
  readonly ref: string;
  /** `tag`: only the tag was deleted. `manifest`: the manifest was deleted with all its tags. */
  readonly what: 'tag' | 'manifest';
  readonly digest?: Digest;
}

/**
 * Deletes a tag or, if the reference has only a digest, a manifest with all its tags. If the reference has both, the
 * tag is deleted only if it refers to the digest. Throws an error if the registry cannot delete a single tag, because
 * deleting the manifest would also delete its other tags.
 * @throws MlistError `ERR_MLIST_USAGE` if there is neither a tag nor a digest, `ERR_MLIST_NOT_FOUND` if the tag or
 * manifest does not exist, `ERR_MLIST_CONFLICT` if the tag refers to another digest
 */
export async function deleteReference(reference: Reference, { stores, signal }: RegistryTagOptions): Promise<Deleted> {
  const { tag, digest } = reference;
  const name = formatReference(reference);
  const repository = stores.registries.repository(reference);
  if (tag === undefined) {
    if (digest === undefined) throw unnamed(reference);
    await repository.deleteManifest(digest, { signal });
    return { ref: name, what: 'manifest', digest };
  }
  if (digest !== undefined) {
    const found = await repository.resolve(tag, { signal });
    if (found.digest !== digest) {
      const tagName = `${repositoryName(reference)}:${tag}`;
      const message = `${tagName} was not deleted: it refers to ${found.digest}, not ${digest}`;
      throw new MlistError('ERR_MLIST_CONFLICT', message, { reference: name });
    }
  }
  await repository.untag(tag, { signal });
  return { ref: name, what: 'tag', ...(digest === undefined ? {} : { digest }) };
}

export interface DeletedRepository {
  /**
   * The name of the repository. It includes the registry, unless the repository is in the folder of an embedded
   * registry.
   */
  readonly ref: string;
  readonly what: 'repository';
}

/**
 * Deletes a repository with all its content. Only `mlist serve` supports this.
 * @throws MlistError `ERR_MLIST_USAGE` if the reference has a tag or digest, `ERR_MLIST_NOT_FOUND` if the repository
 * does not exist, `ERR_MLIST_REGISTRY` if the registry does not support the request
 */
export async function deleteRepository(
  reference: Reference,
  { stores, signal }: RegistryTagOptions,
): Promise<DeletedRepository> {
  const name = repositoryName(reference);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    const message = `${formatReference(reference)} is not a repository: it has a tag or a digest`;
    throw new MlistError('ERR_MLIST_USAGE', message, {
      reference: name,
      hint: `To delete the whole repository, specify ${name}.`,
    });
  }
  await stores.registries.repository(reference).delete({ signal });
  return { ref: name, what: 'repository' };
}

function unnamed(reference: Reference): MlistError {
  const name = repositoryName(reference);
  return new MlistError('ERR_MLIST_USAGE', `${name} is a repository: a tag or a digest is required`, {
    reference: name,
    hint: `Specify ${name}:TAG or ${name}@DIGEST.`,
  });
}
