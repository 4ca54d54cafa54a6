import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The lifetime of a token in seconds. Afterwards, clients request a new one. */
export const TOKEN_SECONDS = 300;

/**
 * Issues and checks bearer tokens for users, and for callers without a login. Tokens are signed and not stored, and
 * become invalid when the registry restarts.
 */
export class Tokens {
  readonly #key = randomBytes(32);

  issue(user: string | undefined): string {
    const expires = Date.now() + TOKEN_SECONDS * 1000;
    const text = Buffer.from(JSON.stringify({ user, expires })).toString('base64url');
    return `${text}.${this.#sign(text).toString('base64url')}`;
  }

  /**
   * Returns the owner of a valid token, without `user` if the token was issued without a login. Returns undefined if
   * the token is invalid or has expired.
   */
  find(token: string): { readonly user?: string } | undefined {
    const [text = '', signature = '', ...others] = token.split('.');
    if (others.length > 0) return undefined;
    const [expected, given] = [this.#sign(text), Buffer.from(signature, 'base64url')];
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const { expires, ...owner } = JSON.parse(Buffer.from(text, 'base64url').toString()) as {
      readonly user?: string;
      readonly expires: number;
    };
    return Date.now() < expires ? owner : undefined;
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}
