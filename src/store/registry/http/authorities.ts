import * as tls from 'node:tls';
import { existsSync } from 'node:fs';
import { asMlistError } from '../../../errors/errors.ts';
import { waitFor, type ReportPending } from '../../../async/pending.ts';
import { variable, type Environment } from '../../environment.ts';
import { readPem, readPemFile, type HostCertificates } from './certificates.ts';
import { TlsContexts } from './tls-contexts.ts';

export interface AuthorityOptions {
  readonly caFile: string | undefined;
  readonly env: Environment;
  /** Aborts the reading of files. A file may be a pipe that never ends or delivers slowly. */
  readonly signal?: AbortSignal | undefined;
  /** Reports each read of a file as pending while it runs. */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning: (message: string) => void;
}

/**
 * The CA certificates that a session trusts for all hosts: from Node, `--ca-file`, `SSL_CERT_FILE`,
 * `NODE_EXTRA_CA_CERTS` and the system. Each file is read once.
 */
export class ConfiguredAuthorities {
  readonly #options: AuthorityOptions;
  #read: Promise<readonly string[]> | undefined;
  #shared: TlsContexts | undefined;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  get hasFile(): boolean {
    return this.#options.caFile !== undefined;
  }

  /**
   * Returns the TLS contexts for a host. All hosts without certificates of their own share the same contexts.
   * @throws MlistError if certificates cannot be read or are invalid
   */
  async contextsFor(host: string, certificates: HostCertificates | undefined): Promise<TlsContexts> {
    const configured = await (this.#read ??= this.#readFiles());
    const system = { bundle: bundleOfSystem, store: storeOfSystem };
    const common = { configured, system, certificates };
    if (hasAny(certificates)) return new TlsContexts({ ...common, host });
    return (this.#shared ??= new TlsContexts({ ...common, host: undefined }));
  }

  /**
   * Reads the files from `--ca-file` and the environment. An unreadable file from the environment only causes a
   * warning, as in Node.
   */
  async #readFiles(): Promise<readonly string[]> {
    const { caFile, env, signal, waiting, onWarning } = this.#options;
    const read = (path: string) => waitFor(waiting, `read ${path}`, readPem(path, signal));
    const texts: string[] = [];
    for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']) {
      const path = variable(env, name);
      if (path === undefined) continue;
      try {
        texts.push(await read(path));
      } catch (thrown) {
        signal?.throwIfAborted();
        onWarning(`${name}: ${asMlistError(thrown).message}`);
      }
    }
    return caFile === undefined ? texts : [...texts, await read(caFile)];
  }
}

function hasAny(certificates: HostCertificates | undefined): boolean {
  return certificates !== undefined && (certificates.authorities.length > 0 || certificates.client !== undefined);
}

/** Files that may contain the system's CA certificates, as in Go (crypto/x509 root_linux.go, root_bsd.go). */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

let bundle: readonly string[] | undefined;
let store: readonly string[] | undefined;

/**
 * Reads the system CA certificates from the bundle file of the system. This is much faster than `storeOfSystem`, for
 * which Node reads every file in the system's certificate folders.
 */
function bundleOfSystem(): readonly string[] {
  if (bundle !== undefined) return bundle;
  const path = systemBundles.find((candidate) => existsSync(candidate));
  return (bundle = path === undefined ? [] : [readPemFile(path)]);
}

/**
 * Reads all system CA certificates. Returns an empty array in versions of Node before 22.15, which cannot read them. In
 * this case, only the bundle file is used.
 */
function storeOfSystem(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => readonly string[] };
  return (store ??= getCACertificates?.('system') ?? []);
}
