import { MlistError } from '../../../errors/errors.ts';
import { sameCredentials, type Credentials } from '../credentials/credentials.ts';
import type { AuthHost } from '../registry-options.ts';
import { coverAll, formatScope, keyOf, type Scope } from './scope.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { fetchToken, type Token, type TokenSender } from './token-service.ts';
import { checkCredentialTrust } from './realm-trust.ts';

/** The token service in a registry's challenge. */
export interface TokenService {
  readonly realm: URL;
  /** The address of the registry's API. */
  readonly base: URL;
  readonly service: string | undefined;
  /** Whether the registry also accepts Basic authentication. */
  readonly acceptsBasic: boolean;
}

export interface CachedToken {
  readonly scopes: readonly Scope[];
  /** Identifies the token service and the account. */
  readonly issuer: string;
  readonly token: Token;
  /** The time at which the token was received, in milliseconds of `performance.now()`. */
  readonly received: number;
  /** Whether the registry has accepted the token for at least one request. */
  isAccepted: boolean;
}

export interface TokenCacheOptions {
  readonly registry: string;
  readonly authHosts: readonly AuthHost[];
  readonly secrets: SecretRedactor;
  readonly tokens: TokenSender;
}

/**
 * Caches the tokens of one registry in memory. Concurrent callers that need the same scopes share one token request.
 */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  readonly #tokens = new Map<string, Promise<CachedToken>>();
  readonly #received: CachedToken[] = [];
  readonly #stale = new WeakSet<CachedToken>();
  /**
   * The credentials that were used so far. The keys of `#tokens` contain an index into this array instead of secrets.
   */
  readonly #accounts: (Credentials | undefined)[] = [];

  constructor(options: TokenCacheOptions) {
    this.#options = options;
  }

  /**
   * Returns a token for exactly these scopes. Requests a new one if the cache has no usable token for them. Failures
   * with `ERR_MLIST_UNAUTHORIZED` are cached, too.
   */
  async get(
    service: TokenService,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<CachedToken> {
    const issuer = this.#issuerOf(service, credentials);
    const key = `${issuer} ${keyOf(scopes)}`;
    for (;;) {
      const known = this.#tokens.get(key);
      if (known === undefined) break;
      const token = await known;
      if (this.#isUsable(token)) return token;
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
    }
    const fetching = this.#fetch(service, issuer, scopes, credentials);
    this.#tokens.set(key, fetching);
    fetching.catch((error: unknown) => {
      const isFinal = error instanceof MlistError && error.code === 'ERR_MLIST_UNAUTHORIZED';
      if (!isFinal && this.#tokens.get(key) === fetching) this.#tokens.delete(key);
    });
    return fetching;
  }

  /**
   * Returns a token that the registry has already accepted and that covers these scopes; undefined if there is no such
   * token.
   */
  accepted(
    service: TokenService,
    needed: readonly Scope[],
    credentials: Credentials | undefined,
  ): CachedToken | undefined {
    const issuer = this.#issuerOf(service, credentials);
    return this.#received.find(
      (token) => token.isAccepted && token.issuer === issuer && this.#isUsable(token) && coverAll(token.scopes, needed),
    );
  }

  #isUsable(token: CachedToken): boolean {
    return performance.now() < token.token.expires && !this.#stale.has(token);
  }

  /** Excludes a token from further use, because it has expired or was revoked. */
  forget(token: CachedToken): void {
    this.#stale.add(token);
  }

  async #fetch(
    { realm, base, service, acceptsBasic }: TokenService,
    issuer: string,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<CachedToken> {
    if (credentials !== undefined) await checkCredentialTrust({ ...this.#options, realm, base });
    const { registry, secrets, tokens } = this.#options;
    const redact = (text: string) => secrets.redact(text, realm);
    const keepSecret = (token: string) => secrets.add(token);
    const formatted = scopes.map(formatScope);
    const isOnlyLogin = !acceptsBasic || credentials?.type !== 'basic';
    const request = { registry, realm, service, scopes: formatted, credentials, isOnlyLogin, redact, keepSecret };
    const token = await fetchToken(request, tokens);
    const cached = { scopes, issuer, token, received: performance.now(), isAccepted: false };
    this.#received.push(cached);
    return cached;
  }

  #issuerOf({ realm, service = '' }: TokenService, credentials: Credentials | undefined): string {
    const index = this.#accounts.findIndex((known) => sameCredentials(known, credentials));
    const account = index >= 0 ? index : this.#accounts.push(credentials) - 1;
    return `${realm.href} ${service} ${account}`;
  }
}
