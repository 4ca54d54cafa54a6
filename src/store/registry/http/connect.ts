import { connect as openSocket, isIP, type LookupFunction, type Socket, type TcpNetConnectOpts } from 'node:net';
import { isLoopback } from '../../hosts.ts';

export interface HostAndPort {
  /** A host name or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a TCP connection.
 * @throws Error with Node's code or `ETIMEDOUT`
 */
export function connectTcp(address: HostAndPort, timeoutMs: number): Promise<Socket> {
  return opened(openSocket(tcpOptions(address)), 'connect', timeoutMs);
}

export function tcpOptions({ host, port }: HostAndPort): TcpNetConnectOpts {
  const local = isLoopback(host) && isIP(host) === 0 ? { lookup: loopbackLookup } : {};
  return { host, port, ...local, noDelay: true, keepAlive: true };
}

/** Resolves `localhost` names without DNS, which may not know them or may return another address (RFC 6761 section 6.3). */
const loopbackLookup: LookupFunction = (_host, { all = false }, callback) => {
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  if (all) callback(null, addresses);
  else callback(null, '127.0.0.1', 4);
};

/** Waits until a socket is connected. Destroys it if that fails. */
export function opened(socket: Socket, event: 'connect' | 'secureConnect', timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(timeoutError(event)), timeoutMs);
    const onClose = () => onError(connectionClosed());
    const onError = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.off('close', onClose);
      resolve(socket);
    });
  });
}

/** @param what - what did not happen in time */
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
