import { MlistError } from '../../errors/errors.ts';
import type { EngineKind } from '../../oci/engine-location.ts';

/** The address of a container engine, from DOCKER_HOST, CONTAINER_HOST, a Docker context or the default socket. */
export interface EngineAddress {
  readonly kind: EngineKind;
  readonly host: EngineHost;
  /** The address for messages, such as `unix:///var/run/docker.sock`. Passwords are masked. */
  readonly text: string;
  /** Where the address comes from, such as `DOCKER_HOST` or `the Docker context desktop-linux`. */
  readonly origin: string;
}

export type EngineHost =
  /** A Unix socket, or a named pipe on Windows. */
  | { readonly type: 'socket'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number; readonly tls?: EngineTls }
  /** The arguments of the ssh command that connects stdin and stdout to the engine. */
  | { readonly type: 'ssh'; readonly arguments: readonly string[] };

/** The TLS settings for an engine. The certificates and the key are the contents of PEM files. */
export interface EngineTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Whether the certificate of the engine is verified. */
  readonly isVerified: boolean;
}

export interface ParseAddressOptions {
  readonly kind: EngineKind;
  readonly origin: string;
  readonly tls?: EngineTls | undefined;
}

/** The default ports of dockerd without and with TLS. */
const DEFAULT_PORT = 2375;
const DEFAULT_TLS_PORT = 2376;

/**
 * Parses an address as the docker CLI does: `unix://PATH`, `npipe://PATH`, `tcp://HOST[:PORT]`, `HOST:PORT`,
 * `ssh://[USER@]HOST[:PORT][/PATH]`.
 * @throws MlistError `ERR_MLIST_USAGE` if the address is invalid, or has another form, such as `http://HOST`
 */
export function parseAddress(address: string, options: ParseAddressOptions): EngineAddress {
  const { kind, origin } = options;
  const text = withoutSecrets(address);
  const [, scheme = 'tcp', rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(address) ?? [];
  const found = (host: EngineHost): EngineAddress => ({ kind, host, text, origin });
  switch (scheme) {
    case 'unix':
      if (!rest.startsWith('/')) throw invalidAddress(text, origin, 'the path of the socket must be absolute');
      return found({ type: 'socket', path: rest });
    case 'npipe':
      return found({ type: 'socket', path: rest.replaceAll('/', '\\') });
    case 'tcp':
      return found(parseTcp(rest, text, options));
    case 'ssh':
      return found({ type: 'ssh', arguments: sshArguments(address, text, options) });
    default: {
      const hint = scheme === 'http' || scheme === 'https' ? `Write tcp://${rest.replace(/\/.*$/s, '')}.` : undefined;
      throw invalidAddress(text, origin, `${scheme}:// is not supported`, hint);
    }
  }
}

/**
 * Masks the parts of an address that may contain a password or a token: everything between the first colon after the
 * scheme and the last `@`, and the query.
 */
function withoutSecrets(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^/@:]*):.*@/is, '$1$2:***@').replace(/\?.*$/s, '?***');
}

function parseTcp(hostAndPort: string, text: string, { origin, tls }: ParseAddressOptions): EngineHost {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:/\\@?#]+)(?::(\d{1,5}))?\/?$/i.exec(hostAndPort) ?? [];
  if (host === undefined) {
    const hint = hostAndPort.startsWith('/') ? `For a socket, write unix://${hostAndPort}.` : undefined;
    throw invalidAddress(text, origin, 'it must have the form tcp://HOST[:PORT]', hint);
  }
  const number = port === undefined ? (tls === undefined ? DEFAULT_PORT : DEFAULT_TLS_PORT) : Number(port);
  if (number < 1 || number > 65_535) throw invalidAddress(text, origin, 'the port must be between 1 and 65535');
  const name = host.replace(/^\[|\]$/g, '');
  return { type: 'tcp', host: name, port: number, ...(tls === undefined ? {} : { tls }) };
}

/**
 * Returns the arguments of the ssh command that runs `docker system dial-stdio` or `podman system dial-stdio` on the
 * host of the engine.
 * @throws MlistError `ERR_MLIST_USAGE` if the address is invalid, or if its user or host begins with `-`, because ssh
 * could parse it as an option that runs a command
 */
function sshArguments(address: string, text: string, { kind, origin }: ParseAddressOptions): readonly string[] {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw invalidAddress(text, origin, 'it is not a valid URL');
  if (url.hostname === '') throw invalidAddress(text, origin, 'the host is missing');
  if (url.password !== '')
    throw invalidAddress(text, origin, 'a password in the address is not supported', 'Use an ssh key.');
  if (url.search !== '' || url.hash !== '')
    throw invalidAddress(text, origin, 'a query or a fragment is not supported');
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw invalidAddress(text, origin, 'its percent-encoding is invalid');
    }
  };
  const user = decode(url.username);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host.startsWith('-') || user.startsWith('-'))
    throw invalidAddress(text, origin, 'the user and the host must not begin with "-"');
  if (!/^[\w.:%-]+$/.test(host)) throw invalidAddress(text, origin, 'the host name is invalid');
  const path = decode(url.pathname);
  // The remote shell would interpret other characters.
  if (!/^[\w./+-]*$/.test(path))
    throw invalidAddress(text, origin, 'the path may only contain letters, digits and the characters _ . / + -');
  const [program, option] = kind === 'podman' ? ['podman', '--url'] : ['docker', '--host'];
  return [
    ...['-o', 'ConnectTimeout=30', '-T'],
    ...(user === '' ? [] : ['-l', user]),
    ...(url.port === '' ? [] : ['-p', url.port]),
    ...['--', host, program],
    ...(path === '' || path === '/' ? [] : [option, `unix://${path}`]),
    ...['system', 'dial-stdio'],
  ];
}

function invalidAddress(text: string, origin: string, reason: string, hint?: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `invalid engine address ${text.slice(0, 300)} (from ${origin}): ${reason}`, {
    hint: hint ?? 'Use unix://PATH, tcp://HOST:PORT or ssh://USER@HOST.',
  });
}
