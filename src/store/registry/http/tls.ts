import * as tls from 'node:tls';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { existsSync } from 'node:fs';
import { getOrCreate } from '../../../async/single-flight.ts';
import { asMlistError, errorMessage, MlistError } from '../../../errors/errors.ts';
import { certificatesFor, readPem, readPlacedPem, type HostCertificates } from './certificates.ts';
import { variable, type Environment } from '../credentials/environment.ts';
import { waitFor, type ReportPending } from '../../../async/pending.ts';
import { isLoopback } from './address.ts';

/** Whom connections trust, host by host. */
export interface TrustOptions {
  readonly insecure: boolean;
  readonly caFile: string | undefined;
  /** Folders of the kind `certs.d`. */
  readonly certificateFolders: readonly string[];
  readonly env: Environment;
  /** Ends the wait for what a pipe brings. */
  readonly signal?: AbortSignal | undefined;
  /** Reports that a file, which may be a pipe, is being read. */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning: (message: string) => void;
}

/** What a TLS connection to one host is made with. */
export interface HostTrust {
  readonly verify: boolean;
  readonly context: SecureContext;
  /** The same with the system's authorities; undefined where there are none. */
  readonly withSystemRoots: () => SecureContext | undefined;
}

/**
 * The authorities that count: those that come with Node, `--ca-file`, `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`, those of
 * the host's folder in `certs.d`, and, for a certificate that none of them has signed, those of the system. The system's
 * come last since reading them costs every command more than the rest of the handshake: docs/registries.md.
 */
export class TrustStore {
  readonly #options: TrustOptions;
  readonly #certificates = new Map<string, HostCertificates | undefined>();
  readonly #hosts = new Map<string, HostTrust>();
  #named: Promise<readonly string[]> | undefined;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /** Whether certificates were put down for the host: it speaks TLS then, and is verified even on this machine. */
  hasCertificates(url: URL): boolean {
    const certificates = this.#certificatesOf(url);
    return this.#options.caFile !== undefined || (certificates?.authorities.length ?? 0) > 0;
  }

  /** @throws MlistError where certificates cannot be read or used */
  async forHost(url: URL): Promise<HostTrust> {
    const named = await (this.#named ??= this.#namedRoots());
    return getOrCreate(this.#hosts, url.host, () => this.#make(url, named));
  }

  #make(url: URL, named: readonly string[]): HostTrust {
    const { insecure } = this.#options;
    const certificates = this.#certificatesOf(url);
    const extra = [...named, ...(certificates?.authorities ?? [])];
    let wider: SecureContext | undefined;
    return {
      verify: !insecure && (this.hasCertificates(url) || !isLoopback(url.hostname)),
      context: contextOf(extra, certificates),
      withSystemRoots: () => {
        const system = systemRoots();
        return system.length === 0 ? undefined : (wider ??= contextOf([...extra, ...system], certificates));
      },
    };
  }

  #certificatesOf(url: URL): HostCertificates | undefined {
    const { certificateFolders, onWarning } = this.#options;
    return getOrCreate(this.#certificates, url.host, () => {
      const names = url.port === '' ? [url.host, `${url.host}:443`] : [url.host];
      return certificatesFor(names, certificateFolders, onWarning);
    });
  }

  /** A file that the environment names and that is not there is told of, and passed over, as Node does. */
  async #namedRoots(): Promise<readonly string[]> {
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

/** A list of authorities of our own replaces Node's: they are added again. */
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

/** Where systems keep their authorities in one file, as Go looks for them (crypto/x509 root_linux.go, root_bsd.go). */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

let found: readonly string[] | undefined;

/** Node itself knows the system's authorities from 22.15 on; before that, where the system has them in a file. */
function systemRoots(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => readonly string[] };
  const bundle = bundles.find((path) => existsSync(path));
  found ??= getCACertificates?.('system') ?? (bundle === undefined ? [] : [readPlacedPem(bundle)]);
  return found;
}
