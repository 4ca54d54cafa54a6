import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** The lifetime of a token. Clients then request a new one. */
export const TOKEN_SECONDS = 300;

/**
 * Bearer tokens for a user, or for callers without a login. They are signed instead of stored, and become invalid when
 * the registry restarts.
 */
export class Tokens {
  readonly #key = randomBytes(32);

  issue(user: string | undefined): string {
    const expires = Date.now() + TOKEN_SECONDS * 1000;
    const text = Buffer.from(JSON.stringify({ user, expires })).toString('base64url');
    return `${text}.${this.#sign(text).toString('base64url')}`;
  }

  /**
   * The owner of a valid token, without `user` if it was issued without a login; undefined for an invalid or expired
   * token.
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
