import { getOrCreate } from '../../../async/single-flight.ts';
import { isLoopback } from '../../hosts.ts';
import type { ConfiguredAuthorities } from './authorities.ts';
import { certificatesFor, type HostCertificates } from './certificates.ts';
import type { TlsContexts } from './tls-contexts.ts';

export interface TrustOptions {
  readonly insecure: boolean;
  readonly authorities: ConfiguredAuthorities;
  /** The `certs.d` folders, in order of precedence. */
  readonly certificateFolders: readonly string[];
  /** Certificates for one host. If set, they are used for this host instead of the ones in `certificateFolders`. */
  readonly hostCertificates?: { readonly host: string; readonly certificates: HostCertificates } | undefined;
  readonly onWarning: (message: string) => void;
}

/** The trust settings for TLS connections to one host. */
export interface HostTrust {
  /** Whether the certificate of the host is verified. */
  readonly verify: boolean;
  /** Identifies the host: its name, with the port unless it is the default port. */
  readonly key: string;
  readonly contexts: TlsContexts;
}

/** Creates the trust settings for each host from the certificates configured for all hosts and for this host. */
export class TrustStore {
  readonly #options: TrustOptions;
  readonly #certificates = new Map<string, HostCertificates | undefined>();
  readonly #hosts = new Map<string, Promise<HostTrust>>();

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /**
   * Whether CA certificates are configured for a host, or with `--ca-file` for all hosts. If so, a host on this machine
   * is treated like any other: https is tried first, and its certificate is verified.
   */
  hasCertificates(url: URL): boolean {
    const certificates = this.#certificatesOf(url);
    return this.#options.authorities.hasFile || (certificates?.authorities.length ?? 0) > 0;
  }

  /**
   * Returns the trust settings for the host of a URL.
   * @throws MlistError if certificates cannot be read or are invalid
   */
  forHost(url: URL): Promise<HostTrust> {
    return getOrCreate(this.#hosts, url.host, () => this.#create(url));
  }

  async #create(url: URL): Promise<HostTrust> {
    const { insecure, authorities } = this.#options;
    return {
      verify: !insecure && (this.hasCertificates(url) || !isLoopback(url.hostname)),
      key: url.host,
      contexts: await authorities.contextsFor(url.host, this.#certificatesOf(url)),
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
}
