import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from './server-exchange.ts';

/** How often a stopping registry checks whether everything has ended. */
const POLL_MS = 50;

/** An upload whose last request ended less than this time ago is in progress: its client is about to send the next one. */
const BETWEEN_REQUESTS_MS = 1_000;

/**
 * Returns a function that closes the server and then runs `after`, once. New connections are refused at once; running
 * requests and uploads in progress may continue for `milliseconds`.
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

/** Closes the connection after the response, unless its client needs it to complete an upload. */
export function closeAfter({ url = '' }: IncomingMessage, response: ServerResponse): void {
  if (!url.includes('/blobs/uploads/')) response.setHeader('connection', 'close');
}
