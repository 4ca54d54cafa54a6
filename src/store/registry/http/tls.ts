import * as tls from 'node:tls';
import { createSecureContext, rootCertificates, type ConnectionOptions, type SecureContext } from 'node:tls';
import { existsSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { getOrCreate } from '../../../async/single-flight.ts';
import { asMlistError, errorCode, errorMessage, MlistError } from '../../../errors/errors.ts';
import { certificatesFor, readPem, readPemFile, type HostCertificates } from './certificates.ts';
import { variable, type Environment } from '../../environment.ts';
import { waitFor, type ReportPending } from '../../../async/pending.ts';
import { isLoopback } from '../../hosts.ts';
import { opened } from './connect.ts';

export interface TrustOptions {
  readonly insecure: boolean;
  readonly caFile: string | undefined;
  /** `certs.d` folders. */
  readonly certificateFolders: readonly string[];
  /** Certificates for one host, in place of those in `certificateFolders`. */
  readonly hostCertificates?: { readonly host: string; readonly certificates: HostCertificates } | undefined;
  readonly env: Environment;
  /** Aborts reading a file that may be a pipe. */
  readonly signal?: AbortSignal | undefined;
  /** Reports that a file is being read, since it may be a pipe. */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning: (message: string) => void;
}

/** The certificates for TLS connections to one host. */
export interface HostTrust {
  /** Whether the certificate of the host is verified. */
  readonly verify: boolean;
  readonly context: SecureContext;
  /** The context with the certificate authorities of the system added; undefined if the system has none. */
  readonly withSystemRoots: () => SecureContext | undefined;
}

/**
 * The trusted certificate authorities of each host: those of Node, `--ca-file`, `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS` and
 * the host's folder in `certs.d`. Those of the system are read only for a certificate that none of these has signed, since
 * reading them takes longer than the rest of the handshake (docs/registries.md).
 */
export class TrustStore {
  readonly #options: TrustOptions;
  readonly #certificates = new Map<string, HostCertificates | undefined>();
  readonly #hosts = new Map<string, HostTrust>();
  #configured: Promise<readonly string[]> | undefined;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /** Whether certificates are configured for a host. If so, it uses TLS and is verified even on this machine. */
  hasCertificates(url: URL): boolean {
    const certificates = this.#certificatesOf(url);
    return this.#options.caFile !== undefined || (certificates?.authorities.length ?? 0) > 0;
  }

  /** @throws MlistError if certificates cannot be read or are invalid */
  async forHost(url: URL): Promise<HostTrust> {
    const configured = await (this.#configured ??= this.#configuredRoots());
    return getOrCreate(this.#hosts, url.host, () => this.#create(url, configured));
  }

  #create(url: URL, configured: readonly string[]): HostTrust {
    const { insecure } = this.#options;
    const certificates = this.#certificatesOf(url);
    const extra = [...configured, ...(certificates?.authorities ?? [])];
    let withSystem: SecureContext | undefined;
    return {
      verify: !insecure && (this.hasCertificates(url) || !isLoopback(url.hostname)),
      context: contextOf(extra, certificates),
      withSystemRoots: () => {
        const system = systemRoots();
        return system.length === 0 ? undefined : (withSystem ??= contextOf([...extra, ...system], certificates));
      },
    };
  }

  #certificatesOf(url: URL): HostCertificates | undefined {
    const { certificateFolders, hostCertificates, onWarning } = this.#options;
    if (url.host === hostCertificates?.host) return hostCertificates.certificates;
    return getOrCreate(this.#certificates, url.host, () => {
      const names = url.port === '' ? [url.host, `${url.host}:443`] : [url.host];
      return certificatesFor(names, certificateFolders, onWarning);
    });
  }

  /** The files of `--ca-file` and the environment. An unreadable file of the environment is a warning, as in Node. */
  async #configuredRoots(): Promise<readonly string[]> {
    const { caFile, env, signal, waiting, onWarning } = this.#options;
    const read = (path: string) => waitFor(waiting, `read ${path}`, readPem(path, signal));
    const roots: string[] = [];
    for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']) {
      const path = variable(env, name);
      if (path === undefined) continue;
      try {
        roots.push(await read(path));
      } catch (thrown) {
        signal?.throwIfAborted();
        onWarning(`${name}: ${asMlistError(thrown).message}`);
      }
    }
    return caFile === undefined ? roots : [...roots, await read(caFile)];
  }
}

/** The option `ca` replaces Node's certificate authorities, so they are added to it. */
function contextOf(extra: readonly string[], certificates: HostCertificates | undefined): SecureContext {
  const { client, folder = '' } = certificates ?? {};
  try {
    return createSecureContext({
      ...(extra.length === 0 ? {} : { ca: [...rootCertificates, ...extra] }),
      ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
    });
  } catch (cause) {
    throw new MlistError('ERR_MLIST_CREDENTIALS', `certificates cannot be used: ${errorMessage(cause)}`, {
      path: folder === '' ? undefined : folder,
      cause,
    });
  }
}

/** Files with the certificate authorities of the system, as in Go (crypto/x509 root_linux.go, root_bsd.go). */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

let cachedSystemRoots: readonly string[] | undefined;

/** Node 22.15 and later can read the certificate authorities of the system. Before, only a file with them is found. */
function systemRoots(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => readonly string[] };
  const bundle = systemBundles.find((path) => existsSync(path));
  cachedSystemRoots ??= getCACertificates?.('system') ?? (bundle === undefined ? [] : [readPemFile(bundle)]);
  return cachedSystemRoots;
}

export interface TlsOptions {
  readonly host: string;
  readonly verify: boolean;
  readonly context: SecureContext;
  readonly timeoutMs: number;
}

/** Bytes that are read ahead. TLS records are small: a large body takes fewer steps if several records are read at once. */
const READ_AHEAD_BYTES = 128 * 1024;

/**
 * Starts TLS on a connection.
 * @throws Error with Node's code or `ETIMEDOUT`
 */
export function connectTls(socket: Socket, { host, verify, context, timeoutMs }: TlsOptions): Promise<Socket> {
  // Node documents highWaterMark, but the types for version 20 do not have it.
  const options: ConnectionOptions & { readonly highWaterMark: number } = {
    socket,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: context,
    rejectUnauthorized: verify,
    ALPNProtocols: ['http/1.1'],
    highWaterMark: READ_AHEAD_BYTES,
  };
  return opened(tls.connect(options), 'secureConnect', timeoutMs);
}

/** What a server has sent about itself. The texts are untrusted. */
export interface ServerCertificate {
  /** Such as `TLSv1.3`. */
  readonly protocol: string;
  readonly owner: string;
  readonly issuer: string;
  /** ISO 8601; undefined if the certificate states no valid date. */
  readonly validTo?: string | undefined;
}

/** Maximum length of a name in a certificate. */
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

/** The common name of a subject or an issuer, or its organisation. Node returns an array if there are several. */
function nameIn(names: Partial<Record<'CN' | 'O', unknown>> | undefined): string {
  const name: unknown = [names?.CN ?? names?.O].flat()[0];
  return typeof name === 'string' ? name.slice(0, MAX_NAME) : 'unnamed';
}

const unknownAuthority = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Whether a handshake failed because no trusted authority has signed the certificate. */
export function isUnknownAuthority(thrown: unknown): boolean {
  return unknownAuthority.has(errorCode(thrown) ?? '');
}
