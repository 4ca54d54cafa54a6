import { errorCode } from '../../errors/errors.ts';
import { allows } from '../auth/rights.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseDigestParameter } from './requested-content.ts';
import { bodyOf, reply, type ServerExchange } from '../server-exchange.ts';
import { isRepositoryName } from '../../oci/reference.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { parseChunkRange } from './ranges.ts';
import { RequestError } from '../request-error.ts';
import type { Repository, Upload } from '../storage.ts';
import type { UploadSession } from '../upload-sessions.ts';

/**
 * This file contains the endpoints for pushing blobs (distribution-spec v1.1.1 "Pushing blobs"):
 * `/v2/<name>/blobs/uploads/` and the uploads below it.
 */

/** POST: starts an upload, stores the body as a blob (`?digest=`), or mounts a blob (`?mount=`). */
export async function postUpload(exchange: ServerExchange): Promise<void> {
  const { query, service, name } = exchange;
  const [mount, monolithic] = [query.get('mount'), query.get('digest')];
  const mountDigest = mount === null ? undefined : parseDigestParameter(mount);
  const digest = monolithic === null ? undefined : parseDigestParameter(monolithic);
  // The shared gate prevents the repository from being deleted before the upload is registered.
  const session = await service.changes.shared(name, async () => {
    const repository = await service.repositories.open(name);
    if (mountDigest !== undefined && (await mountBlob(exchange, repository, mountDigest))) {
      replyCreated(exchange, mountDigest);
      return undefined;
    }
    return await service.uploads.begin(name, () => repository.stageBlob());
  });
  if (session === undefined) return;
  if (digest === undefined || mountDigest !== undefined) replyAccepted(exchange, session);
  else await use(exchange, session.id, (upload) => complete(exchange, upload, digest));
}

/** Appends the request body and stores the blob. The upload ends even if that fails. */
async function complete(exchange: ServerExchange, session: UploadSession, digest: Digest): Promise<void> {
  try {
    await append(exchange, session);
    await commit(session.upload, digest);
  } finally {
    await exchange.service.uploads.end(session);
  }
  replyCreated(exchange, digest);
}

/**
 * Appends the request body. If the body is refused, for example because it exceeds a limit, the upload ends, so that
 * its memory or disk space is freed.
 */
async function append(exchange: ServerExchange, session: UploadSession): Promise<void> {
  const { limits, uploads } = exchange.service;
  try {
    await session.upload.append(bodyOf(exchange, limits.uploadBytes, session.upload.size));
  } catch (error) {
    if (error instanceof RequestError) await uploads.end(session);
    throw error;
  }
}

/** GET: returns the progress of an upload. */
export async function getUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, (session) => {
    reply(exchange, 204, progressOf(session));
    return Promise.resolve();
  });
}

/** PATCH: appends the request body. A Content-Range, if sent, must start where the previous chunk ended. */
export async function patchUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, async (session) => {
    checkChunk(exchange, session);
    await append(exchange, session);
    replyAccepted(exchange, session);
  });
}

/**
 * PUT: appends the request body, which may be empty, and completes the upload. All bytes together must match
 * `?digest=`.
 */
export async function putUpload(exchange: ServerExchange): Promise<void> {
  const digest = parseDigestParameter(exchange.query.get('digest') ?? '');
  await withSession(exchange, async (session) => {
    checkChunk(exchange, session);
    await append(exchange, session);
    try {
      await commit(session.upload, digest);
    } finally {
      await exchange.service.uploads.end(session);
    }
    replyCreated(exchange, digest);
  });
}

/** DELETE: cancels an upload (distribution-spec at 967efdc). */
export async function deleteUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, async (session) => {
    await exchange.service.uploads.end(session);
    reply(exchange, 204);
  });
}

function withSession(exchange: ServerExchange, work: (session: UploadSession) => Promise<void>): Promise<void> {
  return use(exchange, exchange.lastSegment, work);
}

/**
 * Runs work with an upload.
 * @throws RequestError 404 if the upload does not exist, or its repository was deleted during the work
 */
async function use(
  { service, name }: ServerExchange,
  id: string,
  work: (session: UploadSession) => Promise<void>,
): Promise<void> {
  const exists = await service.uploads.use(name, id, async (session) => {
    await work(session);
    return true;
  });
  if (exists === true) return;
  throw new RequestError(404, { code: 'BLOB_UPLOAD_UNKNOWN', message: 'blob upload unknown to registry', detail: id });
}

/**
 * Checks that a chunk with a Content-Range starts where the previous one ended (distribution-spec v1.1.1 "Pushing a
 * blob in chunks").
 * @throws RequestError 416 if it does not, 400 if its Content-Range is invalid
 */
function checkChunk({ request: { headers } }: ServerExchange, session: UploadSession): void {
  const { 'content-range': header, 'content-length': length } = headers;
  if (header === undefined) return;
  const range = parseChunkRange(header);
  if (range === undefined || (length !== undefined && Number(length) !== range.end - range.start)) {
    const message = 'the Content-Range must have the form START-END and match the Content-Length';
    throw new RequestError(400, { code: 'BLOB_UPLOAD_INVALID', message, detail: header });
  }
  if (range.start === session.upload.size) return;
  const message = `the next chunk must start at byte ${session.upload.size}`;
  throw new RequestError(416, { code: 'BLOB_UPLOAD_INVALID', message, detail: header }, progressOf(session));
}

async function commit(upload: Upload, digest: Digest): Promise<void> {
  try {
    await upload.commit(digest);
  } catch (error) {
    if (errorCode(error) !== 'ERR_MLIST_CONTENT_MISMATCH') throw error;
    throw new RequestError(400, {
      code: 'DIGEST_INVALID',
      message: 'the content does not match the digest',
      detail: digest,
    });
  }
}

/**
 * Mounts a blob from the repository in `?from=` or, without `?from=`, from any repository that has the blob. The client
 * must have the right to read the source repository.
 * @returns false if no such repository has the blob
 */
async function mountBlob(
  { service, query, name, caller }: ServerExchange,
  target: Repository,
  digest: Digest,
): Promise<boolean> {
  const from = query.get('from');
  const canRead = (source: string): boolean => allows(caller.rights, 'read', source);
  if (from !== null && (!isRepositoryName(from) || !canRead(from))) return false;
  const repository = from === null ? undefined : await service.repositories.find(from);
  for await (const source of from === null ? service.repositories.all(canRead) : [repository]) {
    const size = source === undefined ? undefined : await sizeIn(source, digest);
    if (source === undefined || size === undefined) continue;
    const descriptor = { mediaType: 'application/octet-stream', digest, size };
    // The blob may be deleted from the source in the meantime.
    if (from !== name) await ignoreNotFound(target.mountBlob(descriptor, source, () => source.readBlob(descriptor)));
    // Protects the blob from garbage collection, because its last use may be long ago.
    if ((await ignoreNotFound(target.holdBlob(digest))) === undefined) continue;
    return true;
  }
  return false;
}

function sizeIn(repository: Repository, digest: Digest): Promise<number | undefined> {
  return ignoreNotFound(repository.blobSize(digest));
}

/**
 * Returns the headers with the progress of an upload. As in other registries, the range is `0-0` for one byte and also
 * for no bytes.
 */
function progressOf({ id, name, upload }: UploadSession): Readonly<Record<string, string>> {
  return {
    location: `/v2/${name}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, upload.size - 1)}`,
    'docker-upload-uuid': id,
  };
}

function replyAccepted(exchange: ServerExchange, session: UploadSession): void {
  reply(exchange, 202, progressOf(session));
}

function replyCreated(exchange: ServerExchange, digest: Digest): void {
  const location = `/v2/${exchange.name}/blobs/${digest}`;
  reply(exchange, 201, { location, 'docker-content-digest': digest });
}
