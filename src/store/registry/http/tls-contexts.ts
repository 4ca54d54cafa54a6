import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import type { HostCertificates } from './certificates.ts';
import { isUnknownAuthority } from './tls.ts';

/** Functions that read the certificate authorities of the system, in PEM. */
export interface SystemAuthorities {
  /** Reads most of the authorities, from one file. */
  readonly bundle: () => readonly string[];
  /** Reads all authorities, which takes much longer. */
  readonly store: () => readonly string[];
}

export interface TlsContextsOptions {
  /** The authorities that the user has configured, in PEM. */
  readonly configured: readonly string[];
  readonly system: SystemAuthorities;
  /** The certificates of one host. */
  readonly certificates: HostCertificates | undefined;
}

/**
 * The TLS contexts of one host, or of all hosts without certificates of their own. Parsing all root certificates takes
 * longer than the rest of a handshake, so a further context, with more authorities, is created only when the previous
 * one has no authority for a certificate (docs/decisions/0090-tls-contexts.md).
 */
export class TlsContexts {
  readonly #created: SecureContext[] = [];
  readonly #further: Iterator<SecureContext, undefined>;
  /** By host: the index of the context that was successful, which is tried first. Default 0. */
  readonly #first = new Map<string, number>();

  /** @throws MlistError `ERR_MLIST_CREDENTIALS` if the certificates of the host are invalid */
  constructor(options: TlsContextsOptions) {
    this.#further = contextsOf(options);
    if (options.certificates !== undefined) this.#at(0);
  }

  /**
   * Connects with one context after the other until one has an authority for the certificate of the server.
   * @param host - key under which the successful context is recorded for the next connection to the host
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

  /** The context with this index, created on first use; undefined after the last one. */
  #at(index: number): SecureContext | undefined {
    if (index === this.#created.length) {
      const { value } = this.#further.next();
      if (value !== undefined) this.#created.push(value);
    }
    return this.#created[index];
  }
}

/**
 * Creates the contexts of a host, the last of which has all authorities. A host with authorities of its own nearly
 * always has a certificate of one of them, and a certificate that needs the system's authorities usually needs one that
 * Node does not have. Therefore these are tried alone before all are parsed.
 */
function* contextsOf({ configured, system, certificates }: TlsContextsOptions): Generator<SecureContext, undefined> {
  const own = certificates?.authorities ?? [];
  if (own.length > 0) yield contextOf(own, certificates);
  const known = new Set(rootCertificates.map(withoutSpace));
  const newIn = (texts: readonly string[]) => texts.flatMap((text) => withoutKnown(text, known));
  const extra = newIn([...configured, ...own]);
  const hasExtra = configured.length + own.length > 0;
  yield contextOf(hasExtra ? [...rootCertificates, ...extra] : undefined, certificates);
  const bundle = newIn(system.bundle());
  if (bundle.length > 0) yield contextOf([...extra, ...bundle], certificates);
  const others = [...bundle, ...newIn(system.store())];
  if (others.length > 0) yield contextOf([...rootCertificates, ...extra, ...others], certificates);
  return undefined;
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates in a PEM text that are not in `known` yet, since parsing one takes up to 0.2 ms. */
function withoutKnown(text: string, known: Set<string>): readonly string[] {
  const remaining = text.replace(certificatePattern, (certificate) => {
    const key = withoutSpace(certificate);
    if (known.has(key)) return '';
    known.add(key);
    return certificate;
  });
  return remaining.includes('-----BEGIN ') ? [remaining] : [];
}

/** PEM without white space, for comparisons: programs wrap the lines differently. */
function withoutSpace(pem: string): string {
  return pem.replace(/\s+/g, '');
}

/**
 * Creates a TLS context.
 * @param authorities - trusted instead of Node's own. Default: those of Node
 */
function contextOf(
  authorities: readonly string[] | undefined,
  certificates: HostCertificates | undefined,
): SecureContext {
  const { client, folder } = certificates ?? {};
  try {
    return createSecureContext({
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
      ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
    });
  } catch (cause) {
    const message = `certificates cannot be used: ${errorMessage(cause)}`;
    throw new MlistError('ERR_MLIST_CREDENTIALS', message, { path: folder === '' ? undefined : folder, cause });
  }
}
