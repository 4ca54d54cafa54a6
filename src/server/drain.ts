import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from './server-exchange.ts';

/** The interval at which a stopping registry checks whether all requests and uploads have ended. */
const POLL_MS = 50;

/**
 * An upload without a running request is treated as in progress for this long after its last request, because the
 * client may be about to send the next one.
 */
const BETWEEN_REQUESTS_MS = 1_000;

/**
 * Returns a function that closes the server and then runs `after`; further calls return the same promise. New
 * connections are refused at once. Requests and uploads in progress may continue for at most `milliseconds`.
 */
export function closer(
  server: Server,
  service: Service,
  milliseconds: number,
  after: () => Promise<void>,
): () => Promise<void> {
  const stop = async (): Promise<void> => {
    service.isDraining = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const limit = performance.now() + milliseconds;
    while (isBusy(service) && performance.now() < limit) await sleep(POLL_MS);
    server.closeAllConnections();
    await closed;
    await after();
  };
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= stop());
}

function isBusy({ running, uploads }: Service): boolean {
  return running.size > 0 || uploads.active(BETWEEN_REQUESTS_MS) > 0;
}

/**
 * Closes the connection of a stopping registry after the response, unless the request belongs to an upload: the client
 * could not complete the upload on another connection, because new connections are refused.
 */
export function closeAfter({ url = '' }: IncomingMessage, response: ServerResponse): void {
  if (!url.includes('/blobs/uploads/')) response.setHeader('connection', 'close');
}
