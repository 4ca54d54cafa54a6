import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import type { HostCertificates } from './certificates.ts';
import { isUnknownAuthority } from './tls-errors.ts';

/** Functions that read the system's CA certificates, in PEM. */
export interface SystemAuthorities {
  /** Reads most of the CA certificates, from one file. */
  readonly bundle: () => readonly string[];
  /** Reads all CA certificates, which takes much longer. */
  readonly store: () => readonly string[];
}

export interface TlsContextsOptions {
  /** The CA certificates that the user has configured, in PEM. */
  readonly configured: readonly string[];
  readonly system: SystemAuthorities;
  /** The host that the contexts are for; undefined if hosts without certificates of their own share them. */
  readonly host: string | undefined;
  /**
   * The CA certificates and the client certificate that are configured for `host`. Undefined or empty if there are
   * none.
   */
  readonly certificates: HostCertificates | undefined;
}

/**
 * The TLS contexts of one host, or of all hosts without certificates of their own. Parsing all CA certificates takes
 * longer than the rest of a handshake. Therefore another context, with other CA certificates, is created only if the
 * certificate of a server cannot be verified with the previous one (docs/decisions/0090-tls-contexts.md).
 */
export class TlsContexts {
  readonly #created: SecureContext[] = [];
  readonly #further: Iterator<SecureContext, undefined>;
  /** The index of the context that was successful, keyed by host. It is tried first. Default 0. */
  readonly #first = new Map<string, number>();

  /** @throws MlistError `ERR_MLIST_CREDENTIALS` if the certificates that are configured for the host are invalid */
  constructor(options: TlsContextsOptions) {
    this.#further = contextsOf(options);
    if (options.certificates !== undefined) this.#at(0);
  }

  /**
   * Connects with one context after the other until one can verify the certificate of the server.
   * @param host - the key under which the successful context is recorded for the next connection to the host
   * @param connect - opens a new connection. Its argument returns the context, and creates it if necessary
   * @throws the error of the last connection
   */
  async handshake<T>(host: string, connect: (context: () => SecureContext) => Promise<T>): Promise<T> {
    for (let at = this.#first.get(host) ?? 0; ; at += 1) {
      try {
        const connection = await connect(() => this.#existing(at));
        this.#first.set(host, Math.max(this.#first.get(host) ?? 0, at));
        return connection;
      } catch (thrown) {
        if (!isUnknownAuthority(thrown) || this.#at(at + 1) === undefined) throw thrown;
      }
    }
  }

  #existing(index: number): SecureContext {
    const context = this.#at(index);
    if (context === undefined) throw new TypeError('there is no further TLS context');
    return context;
  }

  /** Returns the context with this index, and creates it on first use. Returns undefined after the last one. */
  #at(index: number): SecureContext | undefined {
    if (index === this.#created.length) {
      const { value } = this.#further.next();
      if (value !== undefined) this.#created.push(value);
    }
    return this.#created[index];
  }
}

/**
 * Yields the contexts of a host. The last one has all CA certificates. Smaller ones are tried first, because parsing
 * takes long: if a host has its own CA certificates, they nearly always suffice, and if the system's CA certificates
 * are needed, Node's are usually not.
 */
function* contextsOf(options: TlsContextsOptions): Generator<SecureContext, undefined> {
  const { configured, system, certificates } = options;
  const own = certificates?.authorities ?? [];
  if (own.length > 0) yield contextOf(own, options);
  const known = new Set(rootCertificates.map(withoutSpace));
  const newIn = (texts: readonly string[]) => texts.flatMap((text) => withoutKnown(text, known));
  const extra = newIn([...configured, ...own]);
  const hasExtra = configured.length + own.length > 0;
  yield contextOf(hasExtra ? [...rootCertificates, ...extra] : undefined, options);
  const bundle = newIn(system.bundle());
  if (bundle.length > 0) yield contextOf([...extra, ...bundle], options);
  const others = [...bundle, ...newIn(system.store())];
  if (others.length > 0) yield contextOf([...rootCertificates, ...extra, ...others], options);
  return undefined;
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Removes the certificates in `known` from a PEM text, because parsing one takes up to 0.2 ms. Adds the others to
 * `known`. Returns an array with the remaining text, or an empty array if no certificates remain.
 */
function withoutKnown(text: string, known: Set<string>): readonly string[] {
  const remaining = text.replace(certificatePattern, (certificate) => {
    const key = withoutSpace(certificate);
    if (known.has(key)) return '';
    known.add(key);
    return certificate;
  });
  return remaining.includes('-----BEGIN ') ? [remaining] : [];
}

/** Removes whitespace from PEM before a comparison, because programs wrap the lines differently. */
function withoutSpace(pem: string): string {
  return pem.replace(/\s+/g, '');
}

/**
 * Creates a TLS context.
 * @param authorities - the CA certificates to trust. Default: Node's own
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the certificates are invalid
 */
function contextOf(
  authorities: readonly string[] | undefined,
  { host, certificates }: TlsContextsOptions,
): SecureContext {
  const { client, folder } = certificates ?? {};
  try {
    return createSecureContext({
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
      ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
    });
  } catch (cause) {
    const which = host === undefined ? 'configured CA certificates' : `certificates that are configured for ${host}`;
    const message = `cannot use the ${which}: ${errorMessage(cause)}`;
    throw new MlistError('ERR_MLIST_CREDENTIALS', message, { path: folder === '' ? undefined : folder, cause });
  }
}
