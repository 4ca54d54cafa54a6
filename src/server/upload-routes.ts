import { errorCode } from '../errors/errors.ts';
import type { Digest } from '../oci/digest.ts';
import { digestOfPath } from './blob-routes.ts';
import { bodyOf, reply, type ServerExchange } from './server-exchange.ts';
import { isRepositoryName } from '../oci/reference.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { chunkRangeOf } from './ranges.ts';
import { RequestError } from './request-error.ts';
import type { Repository, Upload } from './storage.ts';
import type { UploadSession } from './upload-sessions.ts';

/** Pushing blobs (distribution-spec v1.1.1 "Pushing blobs"): `/v2/<name>/blobs/uploads/` and the uploads below it. */

/** POST: begins an upload, takes a whole blob at once (`?digest=`), or finds the blob in a repository (`?mount=`). */
export async function postUpload(exchange: ServerExchange): Promise<void> {
  const { query, service, name } = exchange;
  const [mount, whole] = [query.get('mount'), query.get('digest')];
  const wanted = mount === null ? undefined : digestOfPath(mount);
  const digest = whole === null ? undefined : digestOfPath(whole);
  const repository = await service.repositories.open(name);
  if (wanted !== undefined && (await mountBlob(exchange, repository, wanted))) {
    replyCreated(exchange, wanted);
    return;
  }
  const upload = await repository.stageBlob();
  if (digest === undefined || wanted !== undefined) replyAccepted(exchange, service.uploads.begin(name, upload));
  else await takeWhole(exchange, upload, digest);
}

async function takeWhole(exchange: ServerExchange, upload: Upload, digest: Digest): Promise<void> {
  try {
    await upload.append(bodyOf(exchange));
    await commit(upload, digest);
  } finally {
    await upload.discard();
  }
  replyCreated(exchange, digest);
}

/** GET: how far the upload got. */
export async function getUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, (session) => {
    reply(exchange, 204, progressOf(session));
    return Promise.resolve();
  });
}

/** PATCH: the next chunk, or, without a Content-Range, all that the body holds. */
export async function patchUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, async (session) => {
    checkChunk(exchange, session);
    await session.upload.append(bodyOf(exchange));
    replyAccepted(exchange, session);
  });
}

/** PUT: the last chunk, or the whole blob, or nothing more; then the bytes must be those of `?digest=`. */
export async function putUpload(exchange: ServerExchange): Promise<void> {
  const digest = digestOfPath(exchange.query.get('digest') ?? '');
  await withSession(exchange, async (session) => {
    checkChunk(exchange, session);
    await session.upload.append(bodyOf(exchange));
    try {
      await commit(session.upload, digest);
    } finally {
      await exchange.service.uploads.end(session);
    }
    replyCreated(exchange, digest);
  });
}

/** DELETE: the client gives the upload up (distribution-spec at 967efdc). */
export async function deleteUpload(exchange: ServerExchange): Promise<void> {
  await withSession(exchange, async (session) => {
    await exchange.service.uploads.end(session);
    reply(exchange, 204);
  });
}

async function withSession(exchange: ServerExchange, work: (session: UploadSession) => Promise<void>): Promise<void> {
  const { service, name, last } = exchange;
  const isThere = await service.uploads.use(name, last, async (session) => {
    await work(session);
    return true;
  });
  if (isThere === true) return;
  throw new RequestError(404, { code: 'BLOB_UPLOAD_UNKNOWN', message: 'there is no such upload', detail: last });
}

/** A chunk must begin where the last one ended (distribution-spec v1.1.1 "Pushing a blob in chunks"). */
function checkChunk({ request: { headers } }: ServerExchange, session: UploadSession): void {
  const { 'content-range': header, 'content-length': length } = headers;
  if (header === undefined) return;
  const range = chunkRangeOf(header);
  if (range === undefined || (length !== undefined && Number(length) !== range.end - range.start)) {
    const message = 'the Content-Range is not START-END, or does not fit the Content-Length';
    throw new RequestError(400, { code: 'BLOB_UPLOAD_INVALID', message, detail: header });
  }
  if (range.start === session.upload.size) return;
  const message = `the next chunk begins at ${session.upload.size}`;
  throw new RequestError(416, { code: 'BLOB_UPLOAD_INVALID', message, detail: header }, progressOf(session));
}

async function commit(upload: Upload, digest: Digest): Promise<void> {
  try {
    await upload.commit(digest);
  } catch (error) {
    if (errorCode(error) !== 'ERR_MLIST_CONTENT_MISMATCH') throw error;
    throw new RequestError(400, { code: 'DIGEST_INVALID', message: 'the content has another digest', detail: digest });
  }
}

/** Mounts from the repository named, or, where none is named, from whichever has the blob. */
async function mountBlob(
  { service, query, name }: ServerExchange,
  target: Repository,
  digest: Digest,
): Promise<boolean> {
  const from = query.get('from');
  if (from !== null && !isRepositoryName(from)) return false;
  const named = from === null ? undefined : await service.repositories.find(from);
  for await (const source of from === null ? service.repositories.all() : [named]) {
    const size = source === undefined ? undefined : await sizeIn(source, digest);
    if (source === undefined || size === undefined) continue;
    const descriptor = { mediaType: 'application/octet-stream', digest, size };
    if (from !== name) await target.mountBlob(descriptor, source, () => source.readBlob(descriptor));
    return true;
  }
  return false;
}

function sizeIn(repository: Repository, digest: Digest): Promise<number | undefined> {
  return ignoreNotFound(repository.blobSize(digest));
}

/** `0-0` says one byte and none alike, as in other registries: a chunk's Content-Range tells them apart. */
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
