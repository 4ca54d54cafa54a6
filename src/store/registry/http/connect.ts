import { connect as openSocket, isIP, type LookupFunction, type Socket, type TcpNetConnectOpts } from 'node:net';
import { errorCode, errorMessage } from '../../../errors/errors.ts';
import { isLoopback } from '../../hosts.ts';

export interface HostAndPort {
  /** A host name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** The time limit and the tracking of a new socket. */
export interface ConnectOptions {
  /** Time limit in milliseconds, separately for the TCP connection and for the TLS handshake. */
  readonly timeoutMs: number;
  /**
   * Called with each socket as soon as it exists, so that the caller can destroy it while it is being connected. May be
   * called more than once for a socket.
   */
  readonly onSocket: (socket: Socket) => void;
}

/** Thrown if the connection to a host other than the registry fails. */
export class HostFailure extends Error {
  /** The code of Node's error. */
  readonly code: string | undefined;
  /** The host with its port. */
  readonly host: string;

  constructor({ host }: URL, cause: unknown) {
    super(errorMessage(cause), { cause });
    this.code = errorCode(cause);
    this.host = host;
  }
}

/**
 * Opens a TCP connection.
 * @param onSent - called when the first packet has been sent, so that the caller can work during the round trip; must
 * not throw
 * @throws Error with Node's code if the connection fails, or `ETIMEDOUT` after `timeoutMs`
 */
export function connectTcp(address: HostAndPort, connectOptions: ConnectOptions, onSent?: () => void): Promise<Socket> {
  const socket = openSocket(tcpOptions(address));
  // Node emits this event just before it sends the packet, so the callback is deferred until the current task has
  // ended.
  if (onSent !== undefined) socket.once('connectionAttempt', () => setImmediate(onSent));
  return opened(socket, 'connect', connectOptions);
}

export function tcpOptions({ host, port }: HostAndPort): TcpNetConnectOpts {
  const local = isLoopback(host) && isIP(host) === 0 ? { lookup: loopbackLookup } : {};
  return { host, port, ...local, noDelay: true, keepAlive: true };
}

/**
 * Resolves `localhost` names without DNS, which may not know them or may return other addresses (RFC 6761 section 6.3).
 */
const loopbackLookup: LookupFunction = (_host, { all = false }, callback) => {
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  if (all) callback(null, addresses);
  else callback(null, '127.0.0.1', 4);
};

/**
 * Waits until a socket emits `connect` or `secureConnect`. Destroys the socket if it fails or does not emit the event
 * in time.
 */
export function opened(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  { timeoutMs, onSocket }: ConnectOptions,
): Promise<Socket> {
  const pending = event === 'connect' ? 'the TCP connection' : 'the TLS handshake';
  return new Promise((resolve, reject) => {
    // If this process was busy, the socket may have connected in time although Node has not emitted the event yet.
    const expire = () => (expiry = setImmediate(() => socket.destroy(timeoutError(pending))));
    const timer = setTimeout(expire, timeoutMs);
    let expiry: NodeJS.Immediate | undefined;
    const stopTimer = () => {
      clearTimeout(timer);
      clearImmediate(expiry);
    };
    const onClose = () => onError(connectionClosed());
    const onError = (error: Error) => {
      stopTimer();
      socket.destroy();
      reject(error);
    };
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(event, () => {
      stopTimer();
      socket.off('error', onError);
      socket.off('close', onClose);
      resolve(socket);
    });
    onSocket(socket);
  });
}

/**
 * Creates the error for a timeout, with the code `ETIMEDOUT`.
 * @param what - describes the event that did not happen in time
 */
export function timeoutError(what: string): Error {
  return Object.assign(new Error(`timeout while waiting for ${what}`), { code: 'ETIMEDOUT' });
}

export function connectionClosed(message = 'the connection was closed'): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

export function hostAndPort({ hostname, port, protocol }: URL): HostAndPort {
  const defaultPort = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) };
}
