import { getOrCreate } from '../../../async/single-flight.ts';
import { isLoopback } from '../../hosts.ts';
import type { ConfiguredAuthorities } from './authorities.ts';
import { certificatesFor, type HostCertificates } from './certificates.ts';
import type { TlsContexts } from './tls-contexts.ts';

export interface TrustOptions {
  readonly insecure: boolean;
  readonly authorities: ConfiguredAuthorities;
  /** `certs.d` folders. */
  readonly certificateFolders: readonly string[];
  /** Certificates for one host, which replace those in `certificateFolders`. */
  readonly hostCertificates?: { readonly host: string; readonly certificates: HostCertificates } | undefined;
  readonly onWarning: (message: string) => void;
}

/** The certificates for TLS connections to one host. */
export interface HostTrust {
  /** Whether the certificate of the host is verified. */
  readonly verify: boolean;
  /** Identifies the host: its name, with the port unless it is the default one. */
  readonly key: string;
  readonly contexts: TlsContexts;
}

/** The trusted certificate authorities of each host: those of all hosts, and those of its folder in `certs.d`. */
export class TrustStore {
  readonly #options: TrustOptions;
  readonly #certificates = new Map<string, HostCertificates | undefined>();
  readonly #hosts = new Map<string, Promise<HostTrust>>();

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /**
   * Whether certificates are configured for a host. Such a host is accessed over TLS and verified even if it is on this
   * machine.
   */
  hasCertificates(url: URL): boolean {
    const certificates = this.#certificatesOf(url);
    return this.#options.authorities.hasFile || (certificates?.authorities.length ?? 0) > 0;
  }

  /**
   * The certificates for the host of a URL.
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
      contexts: await authorities.contextsFor(this.#certificatesOf(url)),
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
