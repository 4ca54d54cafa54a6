import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatReference, repositoryName, type Reference } from '../../oci/reference.ts';
import type { Stores } from '../../store/open.ts';

export interface RegistryTagOptions {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
}

/** The tags of a repository in the registry's order. Pages are fetched while the caller iterates. */
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
 * Deletes a tag, or, by digest, a manifest with all its tags. With both, deletes the tag if it has that digest. If the
 * registry cannot delete a single tag, the manifest is not deleted instead, since that would delete its other tags,
 * too.
 * @throws MlistError `ERR_MLIST_USAGE` without a tag or digest, `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_CONFLICT`
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
      const message = `${repositoryName(reference)}:${tag} was not deleted: it has ${found.digest}, not ${digest}`;
      throw new MlistError('ERR_MLIST_CONFLICT', message, { reference: name });
    }
  }
  await repository.untag(tag, { signal });
  return { ref: name, what: 'tag', ...(digest === undefined ? {} : { digest }) };
}

export interface DeletedRepository {
  /** The name of the repository: with its registry, or without one if it is in a folder. */
  readonly ref: string;
  readonly what: 'repository';
}

/**
 * Deletes a repository with all its content, if the registry is `mlist serve`.
 * @throws MlistError `ERR_MLIST_USAGE` for a tag or digest, `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_REGISTRY` for other
 * registries
 */
export async function deleteRepository(
  reference: Reference,
  { stores, signal }: RegistryTagOptions,
): Promise<DeletedRepository> {
  const name = repositoryName(reference);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    const message = `${formatReference(reference)} is not a repository`;
    throw new MlistError('ERR_MLIST_USAGE', message, {
      reference: name,
      hint: `Write ${name} to delete the repository.`,
    });
  }
  await stores.registries.repository(reference).delete({ signal });
  return { ref: name, what: 'repository' };
}

function unnamed(reference: Reference): MlistError {
  const name = repositoryName(reference);
  return new MlistError('ERR_MLIST_USAGE', `${name} is a repository: a tag or a digest is required`, {
    reference: name,
    hint: `Write ${name}:TAG or ${name}@DIGEST.`,
  });
}
