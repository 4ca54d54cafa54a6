/** Collects secrets and removes them from untrusted text, such as messages of registries. */
export class SecretRedactor {
  readonly #known = new Set<string>();
  /** The secrets, the longest first, because a secret may contain a shorter one; undefined after a change. */
  #longestFirst: readonly string[] | undefined;

  /** Minimum length of a secret in characters. Shorter strings occur in ordinary text. */
  static readonly #shortest = 4;

  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret === undefined || secret.length < SecretRedactor.#shortest || this.#known.has(secret)) continue;
      for (const form of formsOf(secret)) this.#known.add(form);
      this.#longestFirst = undefined;
    }
  }

  /**
   * Replaces the secrets in a text.
   * @param signed - the URL that the text came from; possible signatures in its query are removed as well
   */
  redact(text: string, signed?: URL): string {
    this.#longestFirst ??= [...this.#known].sort((left, right) => right.length - left.length);
    const signatures = signed === undefined ? [] : signaturesIn(signed).flatMap(formsOf);
    let redacted = text;
    for (const secret of [...signatures, ...this.#longestFirst]) redacted = redacted.replaceAll(secret, '***');
    return redacted;
  }
}

/** The forms of a secret: plain text, and the encodings in JSON, URLs and headers. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [secret, inJson, encodeURIComponent(secret), bytes.toString('base64'), bytes.toString('base64url')];
}

/** Minimum length of a signature in characters. Shorter values are numbers and dates. */
const SIGNATURE_LENGTH = 16;

/** Query values of a signed URL that may be signatures, which grant access to everybody who knows the URL. */
function signaturesIn({ searchParams }: URL): readonly string[] {
  return [...searchParams].flatMap(([name, value]) =>
    harmless.has(name) || value.length < SIGNATURE_LENGTH ? [] : [value],
  );
}

/** A URL for messages, without user info and without query values that may be signatures or tokens. */
export function safeUrl(url: URL): string {
  const names = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '***'}`);
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`;
}

/**
 * The path and query of a request for logs, without query values that may be signatures or tokens. The text stays
 * encoded.
 */
export function safeRequestPath(path: string): string {
  const [start = '', ...rest] = path
    .replace(/^([^/?]*\/\/)[^/?#]*@/, '$1***@')
    .replace(/#.*$/s, '#***')
    .split('?');
  if (rest.length === 0) return start;
  const parameters = rest
    .join('?')
    // Some servers also separate parameters by semicolons.
    .split(/[&;]/)
    .map((parameter) => {
      const [name = '', ...value] = parameter.split('=');
      if (harmless.has(name)) return parameter;
      return value.length === 0 ? '***' : `${name}=***`;
    });
  return `${start}?${parameters.join('&')}`;
}

/** Query parameters of the distribution API and of token services that contain no secrets. */
const harmless = new Set(['mount', 'from', 'digest', 'n', 'last', 'artifactType', 'service', 'scope', 'tag', 'ns']);
