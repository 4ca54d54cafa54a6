import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { etagOf, isNotModified } from './preconditions.ts';
import { reply, replyStream, type ServerExchange, type Headers } from '../server-exchange.ts';
import { parseRange } from './ranges.ts';
import { replaceNotFound, RequestError, unknownBlob } from '../request-error.ts';
import { parseDigestParameter, repositoryOf } from './requested-content.ts';
import type { Repository } from '../storage.ts';

/** GET and HEAD of `/v2/<name>/blobs/<digest>` (distribution-spec v1.1.1 "Pulling blobs"). */
export async function getBlob(exchange: ServerExchange): Promise<void> {
  const { request, service } = exchange;
  const { repository, digest } = await blobOf(exchange);
  // A client that learns from a HEAD response that a blob exists will not upload it, so garbage collection must keep
  // the blob.
  const isQuery = request.method === 'HEAD' && !service.readOnly;
  const size = await replaceNotFound(isQuery ? repository.holdBlob(digest) : repository.blobSize(digest), () =>
    unknownBlob(digest),
  );
  const etag = etagOf(digest);
  const headers = { 'docker-content-digest': digest, etag, 'accept-ranges': 'bytes' };
  if (isNotModified(request, digest)) {
    reply(exchange, 304, headers);
    return;
  }
  const fullHeaders = { ...headers, 'content-type': 'application/octet-stream', 'content-length': size };
  if (request.method === 'HEAD') {
    exchange.response.writeHead(200, fullHeaders).end();
    return;
  }
  const { range: header, 'if-range': condition } = request.headers;
  const range = condition === undefined || condition === etag ? parseRange(header, size) : undefined;
  if (range === undefined) {
    const chunks = repository.serveBlob({ digest, size });
    // The blob may have been deleted after its size was read.
    await replaceNotFound(replyStream(exchange, 200, fullHeaders, chunks), () => unknownBlob(digest));
  } else await replyRange(exchange, { repository, digest, size, range, headers: fullHeaders });
}

interface RangeReply {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly size: number;
  readonly range: Exclude<ReturnType<typeof parseRange>, undefined>;
  readonly headers: Headers;
}

async function replyRange(
  exchange: ServerExchange,
  { repository, digest, size, range, headers }: RangeReply,
): Promise<void> {
  if (range === 'unsatisfiable') {
    const message = `the range is outside the blob, which has ${size} bytes`;
    throw new RequestError(416, { code: 'RANGE_INVALID', message }, { 'content-range': `bytes */${size}` });
  }
  const { start, end } = range;
  const rangeHeaders = { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${size}` };
  await replyStream(exchange, 206, { ...headers, ...rangeHeaders }, repository.readBlobPart(digest, start, end));
}

/** DELETE of a blob (distribution-spec v1.1.1 "Deleting Blobs"), even if a manifest refers to the blob. */
export async function deleteBlob(exchange: ServerExchange): Promise<void> {
  const { repository, digest } = await blobOf(exchange);
  try {
    await replaceNotFound(repository.deleteBlob(digest), () => unknownBlob(digest));
  } catch (error) {
    if (!(error instanceof MlistError) || error.code !== 'ERR_MLIST_CONFLICT') throw error;
    throw new RequestError(405, {
      code: 'UNSUPPORTED',
      message: 'the digest refers to a manifest: delete it at /v2/<name>/manifests/<digest>',
      detail: digest,
    });
  }
  reply(exchange, 202);
}

async function blobOf(exchange: ServerExchange): Promise<{ repository: Repository; digest: Digest }> {
  const digest = parseDigestParameter(exchange.lastSegment);
  return { repository: await repositoryOf(exchange), digest };
}
