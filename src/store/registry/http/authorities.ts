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
  /** Stops the reading of files, which may be pipes. */
  readonly signal?: AbortSignal | undefined;
  /** Reports as pending that a file is being read, which may take long if it is a pipe. */
  readonly waiting?: ReportPending | undefined;
  readonly onWarning: (message: string) => void;
}

/**
 * The certificate authorities that all hosts of a session trust: those of Node, `--ca-file`, `SSL_CERT_FILE`,
 * `NODE_EXTRA_CA_CERTS`, and those of the system. Files are read once.
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
   * The TLS contexts for a host. All hosts without certificates of their own share the same contexts.
   * @throws MlistError if certificates cannot be read or are invalid
   */
  async contextsFor(certificates: HostCertificates | undefined): Promise<TlsContexts> {
    const configured = await (this.#read ??= this.#readFiles());
    const system = { bundle: bundleOfSystem, store: storeOfSystem };
    const create = () => new TlsContexts({ configured, system, certificates });
    return hasAny(certificates) ? create() : (this.#shared ??= create());
  }

  /** The files of `--ca-file` and the environment. An unreadable file of the environment is a warning, as in Node. */
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

/** Files with the certificate authorities of the system, as in Go (crypto/x509 root_linux.go, root_bsd.go). */
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
 * The system's authorities from one file. Reading one file is much faster than `storeOfSystem`, for which Node reads
 * all files in the folders of the system.
 */
function bundleOfSystem(): readonly string[] {
  if (bundle !== undefined) return bundle;
  const path = systemBundles.find((candidate) => existsSync(candidate));
  return (bundle = path === undefined ? [] : [readPemFile(path)]);
}

/**
 * Node 22.15 and later can read the certificate authorities of the system. Earlier versions use only the file of
 * `bundleOfSystem`.
 */
function storeOfSystem(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => readonly string[] };
  return (store ??= getCACertificates?.('system') ?? []);
}
