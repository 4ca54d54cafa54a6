import { ignoreNotFound } from '../../errors/not-found.ts';
import { MlistError } from '../../errors/errors.ts';
import type { ContentOptions } from '../store.ts';
import { deleteIn } from './auth/scope.ts';
import type { ConnectedRepository } from './connection.ts';
import { listTags } from './tags.ts';

const MAX_BYTES = 64 * 1024;

/**
 * Deletes a repository with its content, with a request that only mlist's own registry supports, since the
 * distribution-spec does not define one.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_REGISTRY` if the registry does not have the extension
 */
export async function deleteRepository(parts: ConnectedRepository, options: ContentOptions): Promise<void> {
  const { connection, location, path } = parts;
  await checkExists(parts, options);
  const request = {
    step: { what: 'delete', reference: location },
    method: 'DELETE',
    target: `/v2/${path}/_mlist/repository`,
    scopes: [deleteIn(path)],
    accept: [202, 400, 404, 405],
    signal: options.signal,
  } as const;
  const { status } = await connection.request(request, MAX_BYTES);
  if (status === 202) return;
  // A 404 has several reasons: a retry after a first request that succeeded, a missing repository, or a registry
  // without the extension.
  if (status === 404 && (await ignoreNotFound(checkExists(parts, options))) === undefined) return;
  const message = `cannot delete ${location}: ${connection.base.host} does not delete repositories (HTTP ${status})`;
  throw new MlistError('ERR_MLIST_REGISTRY', message, {
    reference: location,
    status,
    hint: `Only "mlist serve" supports this. Delete the tags that "mlist tags ${location}" lists, and manifests by digest.`,
  });
}

/** @throws MlistError `ERR_MLIST_NOT_FOUND` if the repository does not exist */
async function checkExists(parts: ConnectedRepository, options: ContentOptions): Promise<true> {
  await listTags(parts, options).next();
  return true;
}
