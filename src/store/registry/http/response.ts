import { MlistError } from '../../../errors/errors.ts';

/** What comes back from a server. */
export interface HttpResponse {
  readonly status: number;
  /** By lower-case name; repeated headers are joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Must be read to its end, or given up with `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

export function joinHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): HttpResponse['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/** Reads a small body whole. What is longer than `most` bytes ends the exchange: nobody reads an endless body. */
export async function readBody(answer: HttpResponse, most: number, what: string): Promise<Uint8Array> {
  const announced = Number(answer.headers['content-length'] ?? 0);
  const isBodyless = answer.status === 204 || answer.status === 304;
  if (announced > most && !isBodyless) {
    answer.discard();
    throw bodyTooLong(what, most);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > most) {
      answer.discard();
      throw bodyTooLong(what, most);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function bodyTooLong(what: string, most: number): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${what} is longer than ${most} bytes`);
}

/** An answer to HEAD has no body; its connection is free once that is noticed. */
export async function drain(answer: HttpResponse): Promise<void> {
  for await (const chunk of answer.body) if (chunk.length > 0) return answer.discard();
}

/** A body of bytes that are at hand. */
// eslint-disable-next-line @typescript-eslint/require-await -- an async iterable is what the interface asks for
export async function* bodyOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
