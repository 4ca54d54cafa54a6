import { ignoreNotFound } from '../../errors/not-found.ts';
import { MlistError } from '../../errors/errors.ts';
import type { ContentOptions } from '../store.ts';
import { deleteIn } from './auth/scope.ts';
import type { ConnectedRepository } from './connection.ts';
import { listTags } from './tags.ts';

const MAX_BYTES = 64 * 1024;

/**
 * Deletes a repository with its content. The distribution-spec defines no request for this, so mlist sends a request
 * that only its own registry supports.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the repository does not exist; `ERR_MLIST_REGISTRY` if the registry does
 * not support the request
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
  // A 404 means either that the registry does not support the request, or that the repository no longer exists, for
  // example because an earlier attempt has deleted it and its response was lost.
  if (status === 404 && (await ignoreNotFound(checkExists(parts, options))) === undefined) return;
  const message = `cannot delete ${location}: ${connection.base.host} does not support deleting repositories (HTTP ${status})`;
  throw new MlistError('ERR_MLIST_REGISTRY', message, {
    reference: location,
    status,
    hint: `Only a writable "mlist serve" supports this. Delete each tag that "mlist tags ${location}" lists, or each manifest by its digest.`,
  });
}

/** @throws MlistError `ERR_MLIST_NOT_FOUND` if the repository does not exist */
async function checkExists(parts: ConnectedRepository, options: ContentOptions): Promise<true> {
  await listTags(parts, options).next();
  return true;
}
