import { MlistError } from '../../../errors/errors.ts';
import { sameCredentials, type Credentials } from '../credentials/credentials.ts';
import type { AuthHost } from '../registry-options.ts';
import { coverAll, formatScope, keyOf, type Scope } from './scope.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { fetchToken, type Token, type TokenSender } from './token-service.ts';
import { checkCredentialTrust } from './realm-trust.ts';

/** Where a registry's tokens come from, as its challenge says. */
export interface TokenService {
  readonly realm: URL;
  /** Where the registry's API answers. */
  readonly base: URL;
  readonly service: string | undefined;
  /** The registry also accepts Basic. */
  readonly acceptsBasic: boolean;
}

/** A token, and what it was asked for. */
export interface CachedToken {
  readonly scopes: readonly Scope[];
  /** Of the service and the account. */
  readonly issuer: string;
  readonly token: Token;
  readonly received: number;
  /** The registry has taken it for some request. */
  isAccepted: boolean;
}

export interface TokenCacheOptions {
  readonly registry: string;
  readonly authHosts: readonly AuthHost[];
  readonly secrets: SecretRedactor;
  readonly tokens: TokenSender;
}

/** The tokens of one registry. In memory only; one request for a token at a time for each set of scopes. */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  readonly #grants = new Map<string, Promise<CachedToken>>();
  readonly #received: CachedToken[] = [];
  readonly #stale = new WeakSet<CachedToken>();
  /** Tells accounts apart without keeping their secrets in a key. */
  readonly #accounts: (Credentials | undefined)[] = [];

  constructor(options: TokenCacheOptions) {
    this.#options = options;
  }

  /** A token for the scopes; one that is about to expire is got anew. */
  async get(
    service: TokenService,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<CachedToken> {
    const issuer = this.#issuerOf(service, credentials);
    const key = `${issuer} ${keyOf(scopes)}`;
    for (;;) {
      const known = this.#grants.get(key);
      if (known === undefined) break;
      const grant = await known;
      if (this.#isLive(grant)) return grant;
      if (this.#grants.get(key) === known) this.#grants.delete(key);
    }
    const fetching = this.#fetch(service, issuer, scopes, credentials);
    this.#grants.set(key, fetching);
    fetching.catch((error: unknown) => {
      const isFinal = error instanceof MlistError && error.code === 'ERR_MLIST_UNAUTHORIZED';
      if (!isFinal && this.#grants.get(key) === fetching) this.#grants.delete(key);
    });
    return fetching;
  }

  /** A token that the registry has taken before, and that was asked for at least for these scopes. */
  accepted(
    service: TokenService,
    need: readonly Scope[],
    credentials: Credentials | undefined,
  ): CachedToken | undefined {
    const issuer = this.#issuerOf(service, credentials);
    return this.#received.find(
      (grant) => grant.isAccepted && grant.issuer === issuer && this.#isLive(grant) && coverAll(grant.scopes, need),
    );
  }

  #isLive(grant: CachedToken): boolean {
    return performance.now() < grant.token.expires && !this.#stale.has(grant);
  }

  /** The token has expired, or was taken back; the next who asks gets another. */
  forget(grant: CachedToken): void {
    this.#stale.add(grant);
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
    const wanted = scopes.map(formatScope);
    const isOnlyWay = !acceptsBasic || credentials?.type !== 'basic';
    const request = { registry, realm, service, scopes: wanted, credentials, isOnlyWay, redact, keepSecret };
    const token = await fetchToken(request, tokens);
    const grant = { scopes, issuer, token, received: performance.now(), isAccepted: false };
    this.#received.push(grant);
    return grant;
  }

  #issuerOf({ realm, service = '' }: TokenService, credentials: Credentials | undefined): string {
    const at = this.#accounts.findIndex((known) => sameCredentials(known, credentials));
    const account = at >= 0 ? at : this.#accounts.push(credentials) - 1;
    return `${realm.href} ${service} ${account}`;
  }
}
