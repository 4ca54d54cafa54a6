import { MlistError } from '../../../errors/errors.ts';

export interface HttpResponse {
  readonly status: number;
  /** The headers, keyed by lower-case name. The values of a repeated header are joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body. The caller must read it to its end or call `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
  /** The protocol of the response, such as `HTTP/2`. Default: HTTP/1.1. */
  readonly protocol?: string | undefined;
}

export function joinHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): HttpResponse['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/**
 * Reads a body into memory.
 * @param maxBytes - the maximum length of the body. A longer body is discarded
 * @param what - describes the body in the error
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the body is longer than `maxBytes`
 */
export async function readBody(response: HttpResponse, maxBytes: number, what: string): Promise<Uint8Array> {
  const contentLength = Number(response.headers['content-length'] ?? 0);
  const isBodyless = response.status === 204 || response.status === 304;
  if (contentLength > maxBytes && !isBodyless) {
    response.discard();
    throw bodyTooLong(what, maxBytes);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > maxBytes) {
      response.discard();
      throw bodyTooLong(what, maxBytes);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function bodyTooLong(what: string, maxBytes: number): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${what} is longer than ${maxBytes} bytes`);
}

/** Reads the empty body of a response to HEAD, so that its connection can be reused. */
export async function drain(response: HttpResponse): Promise<void> {
  for await (const chunk of response.body) if (chunk.length > 0) return response.discard();
}

/** Returns bytes in memory as the body of a response. */
// eslint-disable-next-line @typescript-eslint/require-await -- HttpResponse has an async iterable
export async function* bodyOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Maximum length of a `Warning` header; a longer one is ignored (distribution-spec v1.1.1 "Warnings"). */
const MAX_WARNING_BYTES = 4096;

/** Returns the messages in `Warning: 299 - "message"`, the only form that the distribution-spec permits. */
export function warningsIn(headers: HttpResponse['headers']): readonly string[] {
  const header = headers['warning'];
  if (header === undefined || Buffer.byteLength(header) > MAX_WARNING_BYTES) return [];
  return [...header.matchAll(/(?:^|,)\s*299\s+-\s+"((?:[^"\\]|\\.)*)"\s*(?=,|$)/g)]
    .map(([, text = '']) => text.replace(/\\(.)/g, '$1').trim())
    .filter((text) => text !== '');
}
