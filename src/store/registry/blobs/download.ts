import type { Descriptor } from '../../../oci/descriptor.ts';
import { verified } from '../../verify.ts';
import type { RegistryRequest, RegistryStream } from '../request.ts';
import type { Connection } from '../connection.ts';
import { connectionFailure } from '../request-failure.ts';
import { connectionClosed } from '../http/connect.ts';
import { redirectFailure } from '../http/redirect.ts';
import { backoff, isConnectionError } from '../http/retry.ts';
import { mismatch, mismatchError, verifyStatedDigest } from './verify-response.ts';

export interface BlobReading {
  readonly connection: Connection;
  /** The GET request for the blob, without a range. */
  readonly request: Omit<RegistryRequest, 'accept' | 'headers'>;
  readonly descriptor: Descriptor;
}

/**
 * Streams and verifies a blob of any length (distribution-spec v1.1.1 "Pulling blobs"). After a connection error, the
 * remaining bytes are requested with a range (RFC 9110 section 14.2). The retries are counted from the last attempt
 * that yielded bytes.
 */
export function readBlob(reading: BlobReading): AsyncIterable<Uint8Array> {
  return verified(reading.descriptor, readBytes(reading, 0), mismatchError(reading.request.step.reference));
}

/**
 * Like `readBlob`, but without verification.
 * @param start - the offset of the first byte
 */
export async function* readBytes(reading: BlobReading, start: number): AsyncGenerator<Uint8Array> {
  const { connection, request, descriptor } = reading;
  const { client, base } = connection;
  let offset = start;
  if (start > 0 && start >= descriptor.size) return;
  for (let failures = 0; ;) {
    const before = offset;
    let address = base;
    try {
      const { response, body, end } = await openPart(reading, offset);
      address = response.url;
      try {
        for await (const chunk of body) {
          offset += chunk.length;
          yield chunk;
        }
      } finally {
        response.discard();
      }
      if (offset < end && !statesItsEnd(response)) throw connectionClosed('the body ended too early');
      if (end >= descriptor.size) return;
      continue;
    } catch (thrown) {
      client.signals.throwIfAborted(request.signal);
      // All bytes of the blob have been received. Only the end of the response is missing, which can be ignored.
      if (isConnectionError(thrown) && offset === descriptor.size) return;
      failures = offset > before ? 1 : failures + 1;
      if (!isConnectionError(thrown) || failures > connection.retries)
        throw connectionFailure(request.step, base.host, redirectFailure(address, base, thrown));
    }
    await client.pause(backoff(failures), request.signal);
  }
}

/** The part of a blob that one response contains. */
interface Part {
  readonly response: RegistryStream;
  /** The bytes of the part, which starts at the requested offset. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * The offset after the last byte of the part. A registry may send less than was requested (RFC 9110 section 15.3.7).
   */
  readonly end: number;
}

async function openPart(reading: BlobReading, start: number): Promise<Part> {
  const { connection, request, descriptor } = reading;
  const headers = start === 0 ? {} : { range: `bytes=${start}-` };
  const response = await connection.open({ ...request, headers, accept: start === 0 ? [200] : [200, 206] });
  try {
    const isPart = response.status === 206;
    const end = isPart ? checkPart(reading, response, start) : descriptor.size;
    checkLength(reading, response, isPart ? end - start : end);
    verifyStatedDigest(request.step.reference, response.headers['docker-content-digest'], descriptor);
    // A registry may ignore the range and send the whole blob.
    const body = isPart || start === 0 ? response.body : skipBytes(start, response.body);
    return { response, body, end };
  } catch (thrown) {
    response.discard();
    throw thrown;
  }
}

async function* skipBytes(count: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let remaining = count;
  for await (const chunk of body) {
    if (remaining < chunk.length) yield remaining === 0 ? chunk : chunk.subarray(remaining);
    remaining = Math.max(0, remaining - chunk.length);
  }
}

/**
 * Checks the `Content-Range` header of a 206 response.
 * @returns the offset after the last byte of the part
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the part does not start at `start`, or is not a part of the blob
 */
function checkPart({ request, descriptor }: BlobReading, { headers }: RegistryStream, start: number): number {
  const range = headers['content-range'] ?? '';
  const [, from, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? [];
  const end = Number(last) + 1;
  const isWithin = Number(from) === start && end > start && end <= descriptor.size;
  if (isWithin && (total === '*' || Number(total) === descriptor.size)) return end;
  const stated = JSON.stringify(range.slice(0, 100));
  throw mismatch(
    request.step.reference,
    `was requested from byte ${start} on, but was served with Content-Range ${stated}`,
  );
}

function checkLength({ request }: BlobReading, { headers }: RegistryStream, expected: number): void {
  const stated = headers['content-length'];
  if (stated === undefined || Number(stated) === expected) return;
  const hint =
    'Either the manifest states a wrong size for this content, or the registry or a proxy has changed the content.';
  throw mismatch(
    request.step.reference,
    `was served with a Content-Length of ${stated.slice(0, 20)} bytes, not ${expected}`,
    hint,
  );
}

/**
 * Whether the headers determine the end of the body. If not, a broken connection cannot be distinguished from the end
 * of the body (RFC 9112 section 6.3).
 */
function statesItsEnd({ headers }: RegistryStream): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}
