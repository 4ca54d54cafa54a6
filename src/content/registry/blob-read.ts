import type { Descriptor } from '../../oci/descriptor.ts';
import type { Call, Connection, StreamReply } from './connection.ts';
import { failedExchange, isConnectionFault } from './failure.ts';
import { backoff } from './retry.ts';
import { mismatch, verified, verifyStatedDigest } from './verify.ts';

/** From here on a body is worth a connection of its own. */
const LARGE_BYTES = 4 * 1024 * 1024;

/** Reading a blob of any length (distribution-spec v1.1.1 "Pulling blobs"). */
export interface BlobReading {
  readonly connection: Connection;
  /** GET of the blob, without a range. */
  readonly call: Omit<Call, 'accept' | 'headers'>;
  readonly descriptor: Descriptor;
}

/**
 * The bytes as they come, checked as they flow. A connection that breaks is not the end: what is missing is asked for
 * (RFC 9110 section 14.2), as long as each try brings some bytes, or for so many tries as the session allows.
 */
export function readBlob(reading: BlobReading): AsyncIterable<Uint8Array> {
  return verified(reading.call.step.reference, reading.descriptor, resuming(reading));
}

async function* resuming(reading: BlobReading): AsyncGenerator<Uint8Array> {
  const { connection, call } = reading;
  const { wire, base } = connection;
  let offset = 0;
  for (let failures = 0; ;) {
    const before = offset;
    try {
      for await (const chunk of from(reading, offset)) {
        offset += chunk.length;
        yield chunk;
      }
      return;
    } catch (thrown) {
      wire.signalFor(call.signal)?.throwIfAborted();
      failures = offset > before ? 1 : failures + 1;
      if (!isConnectionFault(thrown) || failures > wire.retries) throw failedExchange(call.step, base.host, thrown);
    }
    await wire.pause(backoff(failures), call.signal);
  }
}

async function* from(reading: BlobReading, offset: number): AsyncGenerator<Uint8Array> {
  const { connection, call, descriptor } = reading;
  const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const isLarge = descriptor.size - offset >= LARGE_BYTES;
  const reply = await connection.open({ ...call, headers, isLarge, accept: offset === 0 ? [200] : [200, 206] });
  try {
    const skip = reply.status === 206 ? checkPart(reading, reply, offset) : offset;
    checkLength(reading, reply, reply.status === 206 ? descriptor.size - offset : descriptor.size);
    verifyStatedDigest(call.step.reference, reply.headers['docker-content-digest'], descriptor);
    let end = offset;
    for await (const chunk of without(skip, reply.body)) {
      end += chunk.length;
      yield chunk;
    }
    if (end < descriptor.size && !statesItsEnd(reply)) throw cut();
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

function checkPart({ call, descriptor }: BlobReading, { headers }: StreamReply, offset: number): number {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  if (Number(start) === offset && (total === '*' || Number(total) === descriptor.size)) return 0;
  const stated = JSON.stringify(headers['content-range']?.slice(0, 100));
  throw mismatch(call.step.reference, `was asked for from byte ${offset} on, and came as ${stated}`);
}

function checkLength({ call }: BlobReading, { headers }: StreamReply, expected: number): void {
  const stated = headers['content-length'];
  if (stated === undefined || Number(stated) === expected) return;
  throw mismatch(call.step.reference, `comes with ${stated.slice(0, 20)} bytes, not ${expected}`);
}

/** Where neither a length nor chunks tell the end of a body, a cut looks like one (RFC 9112 section 6.3). */
function statesItsEnd({ headers }: StreamReply): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

function cut(): Error {
  return Object.assign(new Error('the body ended too early'), { code: 'ECONNRESET' });
}
