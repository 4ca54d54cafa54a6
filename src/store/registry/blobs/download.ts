import type { Descriptor } from '../../../oci/descriptor.ts';
import { verified } from '../../verify.ts';
import type { RegistryRequest, RegistryStream } from '../request.ts';
import type { Connection } from '../connection.ts';
import { connectionFailure, isConnectionError } from '../request-failure.ts';
import { backoff } from '../http/retry.ts';
import { mismatch, mismatchError, verifyStatedDigest } from './verify-response.ts';

/** Reading a blob of any length (distribution-spec v1.1.1 "Pulling blobs"). */
export interface BlobReading {
  readonly connection: Connection;
  /** GET of the blob, without a range. */
  readonly call: Omit<RegistryRequest, 'accept' | 'headers'>;
  readonly descriptor: Descriptor;
}

/**
 * The bytes as they come, checked as they flow. A connection that breaks is not the end: what is missing is asked for
 * (RFC 9110 section 14.2), as long as each try brings some bytes, or for so many tries as the session allows.
 */
export function readBlob(reading: BlobReading): AsyncIterable<Uint8Array> {
  return verified(reading.descriptor, resuming(reading), mismatchError(reading.call.step.reference));
}

async function* resuming(reading: BlobReading): AsyncGenerator<Uint8Array> {
  const { connection, call, descriptor } = reading;
  const { client, base } = connection;
  let offset = 0;
  for (let failures = 0; ;) {
    const before = offset;
    try {
      const part = await openPart(reading, offset);
      for await (const chunk of bytesOf(part)) {
        offset += chunk.length;
        yield chunk;
      }
      if (part.end >= descriptor.size) return;
      continue;
    } catch (thrown) {
      client.signalFor(call.signal)?.throwIfAborted();
      // What broke was only the end of a body that is whole.
      if (isConnectionError(thrown) && offset === descriptor.size) return;
      failures = offset > before ? 1 : failures + 1;
      if (!isConnectionError(thrown) || failures > client.retries)
        throw connectionFailure(call.step, base.host, thrown);
    }
    await client.pause(backoff(failures), call.signal);
  }
}

/** What one answer brings of a blob. */
interface Part {
  readonly reply: RegistryStream;
  /** How many bytes lie before those that were asked for. */
  readonly skip: number;
  readonly start: number;
  /** Behind its last byte. A registry may give less than was asked for (RFC 9110 section 15.3.7). */
  readonly end: number;
}

async function openPart(reading: BlobReading, start: number): Promise<Part> {
  const { connection, call, descriptor } = reading;
  const headers = start === 0 ? {} : { range: `bytes=${start}-` };
  const reply = await connection.open({ ...call, headers, accept: start === 0 ? [200] : [200, 206] });
  try {
    const isPart = reply.status === 206;
    const end = isPart ? checkPart(reading, reply, start) : descriptor.size;
    checkLength(reading, reply, isPart ? end - start : end);
    verifyStatedDigest(call.step.reference, reply.headers['docker-content-digest'], descriptor);
    return { reply, skip: isPart ? 0 : start, start, end };
  } catch (thrown) {
    reply.discard();
    throw thrown;
  }
}

async function* bytesOf({ reply, skip, start, end }: Part): AsyncGenerator<Uint8Array> {
  let offset = start;
  try {
    for await (const chunk of without(skip, reply.body)) {
      offset += chunk.length;
      yield chunk;
    }
    if (offset < end && !statesItsEnd(reply)) throw cut();
  } finally {
    reply.discard();
  }
}

/** A registry may ignore the range, and begin at the beginning. */
async function* without(skip: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = skip;
  for await (const chunk of body) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** @returns the end of the part */
function checkPart({ call, descriptor }: BlobReading, { headers }: RegistryStream, start: number): number {
  const range = headers['content-range'] ?? '';
  const [, from, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(range) ?? [];
  const end = Number(last) + 1;
  const isWithin = Number(from) === start && end > start && end <= descriptor.size;
  if (isWithin && (total === '*' || Number(total) === descriptor.size)) return end;
  const stated = JSON.stringify(headers['content-range']?.slice(0, 100));
  throw mismatch(call.step.reference, `was asked for from byte ${start} on, and came as ${stated}`);
}

function checkLength({ call }: BlobReading, { headers }: RegistryStream, expected: number): void {
  const stated = headers['content-length'];
  if (stated === undefined || Number(stated) === expected) return;
  const hint = 'The manifest that lists it states a wrong size, or the registry or a proxy has changed the content.';
  throw mismatch(call.step.reference, `is sent with ${stated.slice(0, 20)} bytes, not ${expected}`, hint);
}

/** Where neither a length nor chunks tell the end of a body, a cut looks like one (RFC 9112 section 6.3). */
function statesItsEnd({ headers }: RegistryStream): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

function cut(): Error {
  return Object.assign(new Error('the body ended too early'), { code: 'ECONNRESET' });
}
