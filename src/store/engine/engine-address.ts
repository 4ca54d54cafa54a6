import { MlistError } from '../../errors/errors.ts';
import type { EngineKind } from '../../oci/engine-location.ts';

/** The address of a container engine, in the forms of DOCKER_HOST and CONTAINER_HOST. */
export interface EngineAddress {
  readonly kind: EngineKind;
  readonly host: EngineHost;
  /** The address as messages show it, such as `unix:///var/run/docker.sock`. */
  readonly text: string;
  /** Where the address was found, such as `DOCKER_HOST` or `the context desktop-linux`. */
  readonly origin: string;
}

export type EngineHost =
  /** A Unix socket, or a named pipe on Windows. */
  | { readonly type: 'socket'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number; readonly tls?: EngineTls }
  /** The arguments of the ssh command that connects stdin and stdout to the engine. */
  | { readonly type: 'ssh'; readonly arguments: readonly string[] };

/** The content of PEM files for the connection to an engine. */
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
 * @throws MlistError `ERR_MLIST_USAGE` for other forms, such as `http://`
 */
export function parseAddress(address: string, options: ParseAddressOptions): EngineAddress {
  const { kind, origin } = options;
  const text = withoutSecrets(address);
  const [, scheme = 'tcp', rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(address) ?? [];
  const found = (host: EngineHost): EngineAddress => ({ kind, host, text, origin });
  switch (scheme) {
    case 'unix':
      if (!rest.startsWith('/')) throw invalidAddress(text, origin, 'the path of a socket is absolute');
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
 * Masks the parts of an address that may be a password or a token: the text between a colon and the last `@`, and the
 * query.
 */
function withoutSecrets(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^/@:]*):.*@/is, '$1$2:***@').replace(/\?.*$/s, '?***');
}

function parseTcp(hostAndPort: string, text: string, { origin, tls }: ParseAddressOptions): EngineHost {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:/\\@?#]+)(?::(\d{1,5}))?\/?$/i.exec(hostAndPort) ?? [];
  if (host === undefined) {
    const hint = hostAndPort.startsWith('/') ? `Write a socket as unix://${hostAndPort}.` : undefined;
    throw invalidAddress(text, origin, 'it is not of the form HOST:PORT', hint);
  }
  const number = port === undefined ? (tls === undefined ? DEFAULT_PORT : DEFAULT_TLS_PORT) : Number(port);
  if (number < 1 || number > 65_535) throw invalidAddress(text, origin, 'the port is not in the range 1 to 65535');
  const name = host.replace(/^\[|\]$/g, '');
  return { type: 'tcp', host: name, port: number, ...(tls === undefined ? {} : { tls }) };
}

/**
 * The arguments of ssh. A host or user that begins with `-` could be an option of ssh that runs a command, so it is
 * refused.
 */
function sshArguments(address: string, text: string, { kind, origin }: ParseAddressOptions): readonly string[] {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || url.hostname === '') throw invalidAddress(text, origin, 'it names no host');
  if (url.password !== '')
    throw invalidAddress(text, origin, 'a password in the address is not supported', 'Use an ssh key.');
  if (url.search !== '' || url.hash !== '') throw invalidAddress(text, origin, 'it has a query or a fragment');
  const user = decodeURIComponent(url.username);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host.startsWith('-') || user.startsWith('-')) throw invalidAddress(text, origin, 'it contains an option of ssh');
  if (!/^[\w.:%-]+$/.test(host)) throw invalidAddress(text, origin, 'its host name is invalid');
  const path = decodeURIComponent(url.pathname);
  if (!/^[\w./+-]*$/.test(path))
    throw invalidAddress(text, origin, 'its path contains characters that a shell interprets');
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
  return new MlistError(
    'ERR_MLIST_USAGE',
    `${origin} is not the address of an engine: ${text.slice(0, 300)}: ${reason}`,
    {
      hint: hint ?? 'Use unix://PATH, tcp://HOST:PORT or ssh://USER@HOST.',
    },
  );
}
