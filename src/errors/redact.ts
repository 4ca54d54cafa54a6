/** Keeps what must never be shown, so that text from elsewhere can be cleaned of it. */
export class SecretRedactor {
  readonly #known = new Set<string>();
  /** A longer one may hold a shorter one. */
  #longestFirst: readonly string[] | undefined;

  /** Shorter texts would blot out half of every message. */
  static readonly #shortest = 4;

  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret === undefined || secret.length < SecretRedactor.#shortest || this.#known.has(secret)) continue;
      for (const form of formsOf(secret)) this.#known.add(form);
      this.#longestFirst = undefined;
    }
  }

  /** @param signed - the address that the text came from; what may be a signature in it is not shown either */
  redact(text: string, signed?: URL): string {
    this.#longestFirst ??= [...this.#known].sort((left, right) => right.length - left.length);
    const more = signed === undefined ? [] : signaturesIn(signed).flatMap(formsOf);
    let clean = text;
    for (const secret of [...more, ...this.#longestFirst]) clean = clean.replaceAll(secret, '***');
    return clean;
  }
}

/** A secret as it is, and as it looks in JSON, addresses and headers. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [secret, inJson, encodeURIComponent(secret), bytes.toString('base64'), bytes.toString('base64url')];
}

/** Shorter values are numbers and dates. */
const SIGNATURE_LENGTH = 16;

/** Whoever has an address that was signed may do what the signer allowed. */
function signaturesIn({ searchParams }: URL): readonly string[] {
  return [...searchParams].flatMap(([name, value]) =>
    harmless.has(name) || value.length < SIGNATURE_LENGTH ? [] : [value],
  );
}

/** An address for people: without user info, and without the values of its query, which may be signatures or tokens. */
export function safeUrl(url: URL): string {
  const names = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '***'}`);
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`;
}

/** Parameters of the distribution API and of token services that hold names only. */
const harmless = new Set(['mount', 'from', 'digest', 'n', 'last', 'artifactType', 'service', 'scope', 'tag', 'ns']);
