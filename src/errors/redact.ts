/** Collects secrets and removes them from untrusted text, such as messages of registries. */
export class SecretRedactor {
  readonly #known = new Set<string>();
  /** The known secrets, the longest first, because a secret may contain a shorter one. Cleared by `add`. */
  #longestFirst: readonly string[] | undefined;

  /**
   * Minimum length of a secret in characters. Shorter strings are not redacted, because they occur in ordinary text.
   */
  static readonly #shortest = 4;

  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret === undefined || secret.length < SecretRedactor.#shortest || this.#known.has(secret)) continue;
      for (const form of formsOf(secret)) this.#known.add(form);
      this.#longestFirst = undefined;
    }
  }

  /**
   * Replaces the secrets in a string with `***`.
   * @param signed - the URL that the string came from. Its query values that may be signatures are replaced as well
   */
  redact(text: string, signed?: URL): string {
    this.#longestFirst ??= [...this.#known].sort((left, right) => right.length - left.length);
    const signatures = signed === undefined ? [] : signaturesIn(signed).flatMap(formsOf);
    let redacted = text;
    for (const secret of [...signatures, ...this.#longestFirst]) redacted = redacted.replaceAll(secret, '***');
    return redacted;
  }
}

/** Returns the forms in which a secret may occur: as plain text, and encoded for JSON, URLs and headers. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [secret, inJson, encodeURIComponent(secret), bytes.toString('base64'), bytes.toString('base64url')];
}

/** Minimum length of a signature in characters. Shorter query values are usually numbers or dates. */
const SIGNATURE_LENGTH = 16;

/**
 * Returns the query values of a URL that may be signatures. A signature grants access to everybody who knows the URL.
 */
function signaturesIn({ searchParams }: URL): readonly string[] {
  return [...searchParams].flatMap(([name, value]) =>
    harmless.has(name) || value.length < SIGNATURE_LENGTH ? [] : [value],
  );
}

/** Formats a URL for messages, without user info, and without query values that may be signatures or tokens. */
export function safeUrl(url: URL): string {
  const names = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '***'}`);
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`;
}

/**
 * Formats the path and query of a request for logs. Masks user info, fragments, and query values that may be signatures
 * or tokens. Keeps the percent-encoding.
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

/** Query parameters whose values are not secret, in requests to registries and token services. */
const harmless = new Set(['mount', 'from', 'digest', 'n', 'last', 'artifactType', 'service', 'scope', 'tag', 'ns']);
