import * as tls from 'node:tls';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import { isIP, type OnReadOpts, type Socket } from 'node:net';
import { opened, tcpOptions, type ConnectOptions, type HostAndPort } from './connect.ts';
import { withReceiveBuffer } from './receive-buffer.ts';

export interface TlsOptions extends ConnectOptions {
  readonly host: string;
  readonly verify: boolean;
  readonly context: SecureContext;
  /** The protocols that the server may choose (ALPN), the preferred one first. */
  readonly protocols: readonly string[];
}

/**
 * Number of bytes to read ahead. TLS records are small, so reading several of them at once is faster for a large body.
 */
const READ_AHEAD_BYTES = 128 * 1024;

/**
 * Starts TLS on a connection.
 * @throws Error with Node's code if the handshake fails, or `ETIMEDOUT` after `timeoutMs`
 */
export function connectTls(socket: Socket, options: TlsOptions): Promise<Socket> {
  return opened(tls.connect({ ...connectionOptions(options), socket }), 'secureConnect', options);
}

/**
 * Opens a connection with TLS and a receive buffer.
 * @throws Error with Node's code if the connection or the handshake fails, or `ETIMEDOUT` if one of them takes longer
 * than `timeoutMs`
 */
export async function connectDirectTls(address: HostAndPort, options: TlsOptions): Promise<Socket> {
  const socket = withReceiveBuffer((onread) => {
    const all: ReceivingOptions = { ...connectionOptions(options), ...tcpOptions(address), onread };
    return tls.connect(all);
  });
  await opened(socket, 'connect', options);
  // tls.connect ignores `noDelay` and `keepAlive`, so they are set on the socket.
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  return opened(socket, 'secureConnect', options);
}

/** Adds options that Node documents, but that its types for Node 20 lack. */
interface ReceivingOptions extends ConnectionOptions {
  readonly highWaterMark: number;
  readonly onread?: OnReadOpts;
}

function connectionOptions({ host, verify, context, protocols }: TlsOptions): ReceivingOptions {
  return {
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: context,
    rejectUnauthorized: verify,
    ALPNProtocols: [...protocols],
    highWaterMark: READ_AHEAD_BYTES,
  };
}

/** Data from the TLS handshake and the certificate of a server. The strings are untrusted. */
export interface ServerCertificate {
  /** The TLS version, such as `TLSv1.3`. */
  readonly protocol: string;
  readonly owner: string;
  readonly issuer: string;
  /** The end of the validity in ISO 8601; undefined if the certificate has no valid date. */
  readonly validTo?: string | undefined;
}

/** Longer names in a certificate are truncated to this length. */
const MAX_NAME = 200;

/** Reads the certificate of a TLS connection, and closes the connection. */
export function certificateOf(socket: Socket): ServerCertificate {
  if (!(socket instanceof tls.TLSSocket)) throw new TypeError('the connection does not use TLS');
  const { subject, issuer, valid_to: end } = socket.getPeerCertificate();
  const protocol = socket.getProtocol() ?? 'unknown';
  socket.destroy();
  const validTo = new Date(end);
  return {
    protocol,
    owner: nameIn(subject),
    issuer: nameIn(issuer),
    validTo: Number.isNaN(validTo.getTime()) ? undefined : validTo.toISOString(),
  };
}

/**
 * Returns the common name of a subject or issuer, its organisation if it has no common name, or `unnamed` if it has
 * neither. If there are several names, Node returns an array, and the first one is used.
 */
function nameIn(names: Partial<Record<'CN' | 'O', unknown>> | undefined): string {
  const name: unknown = [names?.CN ?? names?.O].flat()[0];
  return typeof name === 'string' ? name.slice(0, MAX_NAME) : 'unnamed';
}
