import type { ServerResponse } from 'node:http';
import type { Headers } from '../server-exchange.ts';

/**
 * This file contains functions that change a response before it is sent. They replace `writeHead`, `write` and `end`,
 * which the request handlers call.
 */

type Write = (chunk: Uint8Array | string, callback?: (error?: Error | null) => void) => boolean;
type End = (chunk?: Uint8Array | string | (() => void)) => ServerResponse;

/**
 * Changes the headers of a response.
 * @param change - receives the headers with names in lower case
 */
export function changeHeaders(response: ServerResponse, change: (headers: Headers) => Headers): void {
  const writeHead = response.writeHead.bind(response) as (status: number, headers: Headers) => ServerResponse;
  Object.assign(response, { writeHead: (status: number, headers: Headers = {}) => writeHead(status, change(headers)) });
}

/**
 * Changes the body of a response.
 * @param change - must return a chunk of the same length
 */
export function changeBody(response: ServerResponse, change: (chunk: Buffer, offset: number) => Buffer): void {
  let offset = 0;
  const write = response.write.bind(response) as Write;
  const end = response.end.bind(response) as End;
  const changed = (chunk: Uint8Array | string): Buffer => {
    const result = change(Buffer.from(chunk as string), offset);
    offset += result.length;
    return result;
  };
  Object.assign(response, {
    write: ((chunk, callback) => write(changed(chunk), callback)) satisfies Write,
    end: ((chunk) =>
      end(typeof chunk === 'string' || chunk instanceof Uint8Array ? changed(chunk) : chunk)) satisfies End,
  });
}

/** Closes the connection after this number of bytes of the response body. */
export function cutBody(response: ServerResponse, bytes: number): void {
  let remaining = bytes;
  const write = response.write.bind(response) as Write;
  const end = response.end.bind(response) as End;
  const writePart: Write = (chunk, callback) => {
    const part = Buffer.from(chunk as string).subarray(0, remaining);
    remaining -= part.length;
    if (remaining > 0) return write(part, callback);
    write(part, () => response.destroy());
    return false;
  };
  const endPart: End = (chunk) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) writePart(chunk);
    return remaining > 0 ? end() : response;
  };
  Object.assign(response, { write: writePart, end: endPart });
}

/** Closes the connection instead of sending a response. */
export function loseResponse(response: ServerResponse): void {
  const lose = (): ServerResponse => response.destroy();
  Object.assign(response, { writeHead: lose, write: () => false, end: lose });
}
