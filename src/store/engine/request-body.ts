import { once } from 'node:events';
import type { ClientRequest } from 'node:http';

/** A request body of known size. */
export interface RequestBody {
  /** The media type, such as `application/x-tar`. */
  readonly type: string;
  /** The size in bytes. */
  readonly size: number;
  readonly chunks: () => AsyncIterable<Uint8Array>;
}

/**
 * Sends the body of a request with backpressure. Stops if the request is closed, for example because the engine has
 * refused it. If the body cannot be read, the request is destroyed, so that the engine discards what it has received.
 * @param onSent - called with false after each chunk, and with true at the end of the body
 */
export async function sendBody(
  { chunks }: RequestBody,
  request: ClientRequest,
  onSent: (isLast: boolean) => void,
): Promise<void> {
  const closed = once(request, 'close').catch(() => undefined);
  try {
    for await (const chunk of chunks()) {
      if (request.destroyed) return;
      if (!request.write(chunk)) await Promise.race([once(request, 'drain'), closed]);
      onSent(false);
    }
    request.end();
    onSent(true);
  } catch (thrown) {
    request.destroy();
    throw thrown;
  }
}
