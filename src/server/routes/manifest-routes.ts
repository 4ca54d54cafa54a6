import { errorCode } from '../../errors/errors.ts';
import { digestMatches, digestOf, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { mediaTypeOfHeader } from '../../oci/media-type.ts';
import { isTag } from '../../oci/reference.ts';
import { MemoryBytes } from '../../store/memory-bytes.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { checkPreconditions, etagOf, isNotModified } from './preconditions.ts';
import { bodyOf, reply, type ServerExchange } from '../server-exchange.ts';
import { checkManifest, checkChildren, type CheckedManifest } from './manifest-check.ts';
import { replaceNotFound, RequestError, unknownManifest } from '../request-error.ts';
import { repositoryOf } from './requested-content.ts';
import type { Repository } from '../storage.ts';

/** The maximum number of attempts to store a manifest while another process removes content that it refers to. */
const MAX_TRIES = 3;

/** GET and HEAD of `/v2/<name>/manifests/<reference>`. Returns exactly the bytes that were pushed. */
export async function getManifest(exchange: ServerExchange): Promise<void> {
  const { request, lastSegment: reference } = exchange;
  const repository = await repositoryOf(exchange);
  const { descriptor, bytes } = await replaceNotFound(fetchManifest(repository, reference), () =>
    unknownManifest(reference),
  );
  const { digest, mediaType } = descriptor;
  const headers = { 'docker-content-digest': digest, etag: etagOf(digest) };
  if (isNotModified(request, digest)) reply(exchange, 304, headers);
  else reply(exchange, 200, { ...headers, 'content-type': mediaType }, bytes);
}

/** Reads a manifest by tag or digest. A reference that is neither is treated as an unknown manifest. */
export async function fetchManifest(
  repository: Repository,
  reference: string,
): ReturnType<Repository['fetchManifest']> {
  if (!isDigest(reference) && !isTag(reference)) throw unknownManifest(reference);
  return await repository.fetchManifest(reference);
}

/**
 * PUT of `/v2/<name>/manifests/<reference>`. A PUT by digest can also set tags with `?tag=` (distribution-spec at
 * 967efdc).
 */
export async function putManifest(exchange: ServerExchange): Promise<void> {
  const received = new MemoryBytes(exchange.service.limits.memory);
  try {
    await storeManifest(exchange, received);
  } finally {
    received.release();
  }
}

async function storeManifest(exchange: ServerExchange, received: MemoryBytes): Promise<void> {
  const { request, name, lastSegment: reference, query, service } = exchange;
  const tags = [...(isDigest(reference) ? query.getAll('tag') : [reference])];
  checkReference(reference, tags);
  const bytes = await readManifest(exchange, received);
  const digest = storageDigest(reference, bytes);
  const checked = checkManifest(bytes, mediaTypeOfHeader(request.headers['content-type']));
  const { mediaType, children } = checked;
  await service.changes.shared(name, async () => {
    const repository = await service.repositories.open(name);
    const hasCondition = isConditional(exchange);
    const current = hasCondition ? await currentDigest(repository, reference) : undefined;
    checkPreconditions(request, current);
    const content = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    await repeatIfRemoved(async () => {
      const requires = await checkChildren(children, repository, service);
      const ifMatch = hasCondition ? (current ?? 'absent') : undefined;
      await repository.putManifest(content, reference, { ifMatch, requires });
      if (isDigest(reference)) for (const tag of tags) await repository.putManifest(content, tag, { requires });
    });
  });
  reply(exchange, 201, headersOfPut(exchange, digest, checked, tags));
}

/**
 * Repeats work that failed because another process removed content after `checkChildren`. The repeated check reports
 * the missing content.
 */
async function repeatIfRemoved(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (errorCode(error) !== 'ERR_MLIST_NOT_FOUND' || tries === MAX_TRIES) throw error;
    }
  }
}

function headersOfPut(
  { name, lastSegment: reference }: ServerExchange,
  digest: Digest,
  { children }: CheckedManifest,
  tags: readonly string[],
) {
  return {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    etag: etagOf(digest),
    ...(children.subject === undefined ? {} : { 'oci-subject': children.subject.digest }),
    ...(isDigest(reference) && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
  };
}

/**
 * DELETE of a tag, or of a manifest with all its tags (distribution-spec v1.1.1 "Deleting tags", "Deleting Manifests").
 */
export async function deleteManifest(exchange: ServerExchange): Promise<void> {
  const { name, lastSegment: reference, service } = exchange;
  const repository = await repositoryOf(exchange);
  await service.changes.exclusive(name, async () => {
    const work = isDigest(reference) ? deleteByDigest(repository, reference) : repository.untag(reference);
    await replaceNotFound(work, () => unknownManifest(reference));
  });
  reply(exchange, 202);
}

async function deleteByDigest(repository: Repository, digest: Digest): Promise<void> {
  try {
    await repository.deleteManifest(digest);
  } catch (error) {
    if (errorCode(error) !== 'ERR_MLIST_CONFLICT') throw error;
    const message =
      'cannot delete the manifest: an index lists it, and another manifest refers to the same bytes as a config or layer; delete the index or the other manifest first';
    throw new RequestError(409, { code: 'DENIED', message, detail: digest });
  }
}

function checkReference(reference: string, tags: readonly string[]): void {
  if (!isDigest(reference) && reference.includes(':')) {
    throw new RequestError(400, { code: 'DIGEST_INVALID', message: 'invalid digest', detail: reference });
  }
  const invalid = tags.find((tag) => !isTag(tag));
  if (invalid === undefined) return;
  throw new RequestError(400, { code: 'TAG_INVALID', message: 'invalid tag', detail: invalid });
}

/**
 * Returns the digest under which the bytes are stored: the digest in the path or, if the path has a tag, their sha256
 * digest.
 * @throws RequestError 400 if the bytes do not match the digest in the path, or if its algorithm is not supported
 */
function storageDigest(reference: string, bytes: Uint8Array): Digest {
  if (!isDigest(reference)) return digestOf(bytes);
  if (digestMatches(reference, bytes)) return reference;
  const message = isVerifiable(reference)
    ? 'the manifest does not match the digest'
    : 'the digest algorithm is not supported';
  throw new RequestError(400, { code: 'DIGEST_INVALID', message, detail: reference });
}

/** Reads the body of a PUT. A body that is too large is refused before all of it is read. */
async function readManifest(exchange: ServerExchange, into: MemoryBytes): Promise<Uint8Array> {
  for await (const chunk of bodyOf(exchange, MAX_DOCUMENT_BYTES)) into.append(chunk);
  return Buffer.concat([...into.read()]);
}

function isConditional({ request: { headers } }: ServerExchange): boolean {
  return headers['if-match'] !== undefined || headers['if-none-match'] !== undefined;
}

async function currentDigest(repository: Repository, reference: string): Promise<Digest | undefined> {
  return (await ignoreNotFound(repository.resolve(reference)))?.digest;
}
