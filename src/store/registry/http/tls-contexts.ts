import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import type { HostCertificates } from './certificates.ts';
import { isUnknownAuthority } from './tls.ts';

export interface TlsContextsOptions {
  /** The authorities that the user has configured, in PEM. */
  readonly configured: readonly string[];
  /** Read the authorities of the system, in PEM. The fastest source comes first. */
  readonly system: readonly (() => readonly string[])[];
  /** The certificates of one host. */
  readonly certificates: HostCertificates | undefined;
}

/**
 * The TLS contexts of one host, or of all hosts without certificates of their own. Parsing all root certificates takes
 * longer than the rest of a handshake, so each context with more authorities is created only when no authority of the one
 * before has signed a certificate (docs/decisions/0090-tls-contexts.md).
 */
export class TlsContexts {
  readonly #created: SecureContext[] = [];
  readonly #further: Iterator<SecureContext, undefined>;
  /** The first context to try. With those before it, no authority was found for a certificate that this one trusts. */
  #first = 0;

  /** @throws MlistError `ERR_MLIST_CREDENTIALS` if the certificates of the host are invalid */
  constructor(options: TlsContextsOptions) {
    this.#further = growingContexts(options);
    this.#at(0);
  }

  /**
   * Connects with one context after the other until an authority is found for the certificate of the server.
   * @param connect - opens a new connection
   * @throws the error of the last connection
   */
  async handshake<T>(connect: (context: SecureContext) => Promise<T>): Promise<T> {
    let failure: unknown;
    let at = this.#first;
    for (let context = this.#at(at); context !== undefined; context = this.#at((at += 1))) {
      try {
        const connection = await connect(context);
        this.#first = Math.max(this.#first, at);
        return connection;
      } catch (thrown) {
        if (!isUnknownAuthority(thrown)) throw thrown;
        failure = thrown;
      }
    }
    throw failure;
  }

  #at(index: number): SecureContext | undefined {
    if (index === this.#created.length) {
      const { value } = this.#further.next();
      if (value !== undefined) this.#created.push(value);
    }
    return this.#created[index];
  }
}

/**
 * A host with authorities of its own nearly always has a certificate of one of them, so these are tried alone before those
 * of Node are parsed for the host. Each later context trusts all authorities of the one before it.
 */
function* growingContexts({
  configured,
  system,
  certificates,
}: TlsContextsOptions): Generator<SecureContext, undefined> {
  const own = certificates?.authorities ?? [];
  if (own.length > 0) yield contextOf(own, certificates);
  const known = new Set(rootCertificates);
  const extra = [...configured, ...own].flatMap((text) => newIn(text, known));
  const hasExtra = configured.length + own.length > 0;
  yield contextOf(hasExtra ? [...rootCertificates, ...extra] : undefined, certificates);
  for (const read of system) {
    const added = read().flatMap((text) => newIn(text, known));
    extra.push(...added);
    if (added.length > 0) yield contextOf([...rootCertificates, ...extra], certificates);
  }
  return undefined;
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The PEM text without the certificates that are known already, since parsing one takes up to 0.2 ms. */
function newIn(text: string, known: Set<string>): readonly string[] {
  const remaining = text.replace(certificatePattern, (certificate) => {
    if (known.has(certificate)) return '';
    known.add(certificate);
    return certificate;
  });
  return remaining.includes('-----BEGIN ') ? [remaining] : [];
}

/** @param authorities - replace those of Node. Default: those of Node */
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
