import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import type { OpenConnections } from './limits/open-connections.ts';
import { HEADER_BYTES } from './limits/server-limits.ts';
import { answerPlainHttp } from './plain-http.ts';

/** A connection is closed if no data is sent or received for this long. */
const IDLE_MS = 120_000;

/** A certificate and its private key, in PEM format. */
export interface ServerCertificate {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Creates a server with the registry's limits for connections and headers.
 * @throws MlistError `ERR_MLIST_USAGE` if the certificate or its key cannot be used
 */
export function createServer(
  tls: ServerCertificate | undefined,
  connections: OpenConnections,
  listener: Listener,
): Server {
  const counted: Listener = (request, response) => {
    response.once('close', connections.begin(request.socket));
    listener(request, response);
  };
  const server =
    tls === undefined ? createHttpServer({ maxHeaderSize: HEADER_BYTES }, counted) : createTlsServer(tls, counted);
  server.on('connection', (socket: Socket) => connections.add(socket));
  // Requests have no time limit, because uploads may take long. `requestBody` refuses slow bodies instead.
  server.requestTimeout = 0;
  server.timeout = IDLE_MS;
  // With a limit, Node would silently drop further headers. Instead, `dispatch` in start-registry.ts refuses requests
  // with too many headers.
  server.maxHeadersCount = 0;
  server.keepAliveTimeout = IDLE_MS;
  return server;
}

function createTlsServer({ cert, key }: ServerCertificate, listener: Listener): Server {
  try {
    const options = { cert: Buffer.from(cert), key: Buffer.from(key), maxHeaderSize: HEADER_BYTES };
    const server = createHttpsServer(options, listener);
    answerPlainHttp(server, IDLE_MS);
    return server;
  } catch (cause) {
    const message = `cannot use the certificate or its private key: ${errorMessage(cause)}`;
    const hint = 'Both must be in PEM format. The private key must match the certificate and must not be encrypted.';
    throw new MlistError('ERR_MLIST_USAGE', message, { cause, hint });
  }
}

const listenErrors: Readonly<Record<string, { readonly reason: string; readonly hint: string }>> = {
  EADDRINUSE: { reason: 'the address is already in use', hint: 'Choose another port; port 0 selects a free one.' },
  EADDRNOTAVAIL: {
    reason: 'the address does not belong to this machine',
    hint: 'Use 127.0.0.1 or an address of this machine.',
  },
  EACCES: { reason: 'permission denied', hint: 'Choose a port above 1023.' },
  ENOTFOUND: { reason: 'no such host', hint: 'Use 127.0.0.1 or an address of this machine.' },
};

/**
 * Starts listening.
 * @throws MlistError `ERR_MLIST_NETWORK` if the server cannot listen on the address
 */
export async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    const code = errorCode(cause) ?? 'unknown';
    const { reason, hint } = listenErrors[code] ?? { reason: errorMessage(cause), hint: undefined };
    const address = `${inUrl(host)}:${port}`;
    throw new MlistError('ERR_MLIST_NETWORK', `cannot listen on ${address}: ${reason} (${code})`, { cause, hint });
  }
}

/**
 * Parses `HOST:PORT`.
 * @throws MlistError `ERR_MLIST_USAGE` if the address does not have this form, or if the port is above 65535
 */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ''] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(address) ?? [];
  const [host, port] = [bracketed ?? plain, Number(digits)];
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new MlistError('ERR_MLIST_USAGE', `invalid address ${JSON.stringify(address)}`, {
    hint: 'Use HOST:PORT, such as 127.0.0.1:5000 or [::1]:0. With the host 0.0.0.0, the registry listens on all IPv4 addresses.',
  });
}

/** Returns the host for URLs: `localhost` if the registry listens on all addresses. IPv6 addresses are in brackets. */
export function displayHost(host: string): string {
  return host === '0.0.0.0' || host === '::' ? 'localhost' : inUrl(host);
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
