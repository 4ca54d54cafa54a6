import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from './server-exchange.ts';

/** The interval at which a stopping registry checks whether all requests and uploads have ended. */
const POLL_MS = 50;

/**
 * An upload is in progress while its last request ended less than this time ago, because the client may be about to
 * send the next request.
 */
const BETWEEN_REQUESTS_MS = 1_000;

/**
 * Returns a function that closes the server and then runs `after`; further calls return the same promise. New
 * connections are refused at once. Running requests and uploads in progress may continue for `milliseconds`.
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
 * Makes the response close its connection. Connections for uploads stay open, because the client needs them to complete
 * the upload.
 */
export function closeAfter({ url = '' }: IncomingMessage, response: ServerResponse): void {
  if (!url.includes('/blobs/uploads/')) response.setHeader('connection', 'close');
}
