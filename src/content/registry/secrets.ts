/** Keeps what must never be shown, so that text from elsewhere can be cleaned of it. */
export class Secrets {
  readonly #known = new Set<string>();

  /** Shorter texts would blot out half of every message. */
  static readonly #shortest = 4;

  add(...secrets: readonly (string | undefined)[]): void {
    for (const secret of secrets) {
      if (secret !== undefined && secret.length >= Secrets.#shortest) this.#known.add(secret);
    }
  }

  redact(text: string): string {
    let clean = text;
    for (const secret of this.#known) clean = clean.replaceAll(secret, '***');
    return clean;
  }
}

/** An address for people: without user info, and without the values of its query, which may be signatures or tokens. */
export function safeUrl(url: URL): string {
  const names = [...url.searchParams].map(([name, value]) => `${name}=${harmless.has(name) ? value : '***'}`);
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`;
}

/** Parameters of the distribution API and of token services that hold names only. */
const harmless = new Set(['mount', 'from', 'digest', 'n', 'last', 'artifactType', 'service', 'scope', 'tag', 'ns']);
