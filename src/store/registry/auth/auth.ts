import { getOrCreate } from '../../../async/single-flight.ts';
import { errorMessage, MlistError, type ErrorCode } from '../../../errors/errors.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { sameCredentials, type Credentials } from '../credentials/credentials.ts';
import { TokenCache, type CachedToken, type TokenService } from './token-cache.ts';
import type { AuthHost } from '../registry-options.ts';
import { exceedsMaxWait, isTransientStatus } from '../http/retry.ts';
import { coverAll, covers, groupScopes, keyOf, mergeScopes, parseScopes, type Scope } from './scope.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { basicHeader, type TokenSender } from './token-service.ts';
import { checkRealm } from './realm-trust.ts';

export interface AuthorizerOptions {
  /** The registry as it appears in references, such as `docker.io`. */
  readonly registry: string;
  /** Returns the credentials for a repository. Repositories of one registry may use different accounts. */
  readonly credentials: (repository: string) => Promise<Credentials | undefined>;
  readonly authHosts: readonly AuthHost[];
  readonly secrets: SecretRedactor;
  readonly tokens: TokenSender;
}

/** How a request is authenticated. */
export interface Authorization {
  /** The value of the `Authorization` header, which is secret. Absent if the request has no such header. */
  readonly header?: string;
  /**
   * Whether the request is authenticated with the credentials of an account. The token does not show this, because
   * token services also issue anonymous tokens.
   */
  readonly hasLogin?: boolean;
  /** Where the credentials were found, for messages. */
  readonly place?: string | undefined;
  readonly cachedToken?: CachedToken;
}

/** A request that the registry refused with 401 or 403. */
export interface RefusedRequest {
  readonly status: number;
  /** The `WWW-Authenticate` header. */
  readonly challenge: string | undefined;
  readonly sent: Authorization;
  readonly scopes: readonly Scope[];
  /** The authorization of the previous attempt at this request; undefined for the first attempt. */
  readonly before?: Authorization | undefined;
  /** The address of the registry's API. */
  readonly base: URL;
}

interface BearerChallenge {
  readonly parameters: Challenge['parameters'];
  readonly service: TokenService;
}

/**
 * Maximum age of a fresh token, in milliseconds. If the registry refuses a fresh token, the usual reason is a missing
 * scope, not the expiry of the token.
 */
const FRESH_MS = 2_000;

/**
 * Authenticates the requests to one registry. The first 401 shows which authentication the registry requires. If
 * possible, requests share tokens for the announced scopes. If the token service does not issue such a token, or the
 * registry refuses it, a token with only the needed scopes is used.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens: TokenCache;
  readonly #credentials = new Map<string, Promise<Credentials | undefined>>();
  /** Keys of the sets of scopes that need a separate token, because a shared token was refused. */
  readonly #narrow = new Set<string>();
  /** The scopes that challenges of the registry have required, keyed by `keyOf(scopes)` of the refused request. */
  readonly #challenged = new Map<string, readonly Scope[]>();
  /** The announced scopes, keyed by resource, in the order in which they were announced. */
  readonly #expected = new Map<string, Scope>();
  #basic = false;
  #bearer: TokenService | undefined;
  /** Realms of services that failed or are not trusted. They are not used again if the registry also accepts Basic. */
  readonly #unusable = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#tokens = new TokenCache(options);
  }

  /** Announces scopes that the command will need. */
  expect(scopes: readonly Scope[]): void {
    for (const scope of scopes) {
      const key = `${scope.type}:${scope.name}`;
      const known = this.#expected.get(key);
      if (known !== undefined && covers(known, scope)) continue;
      const [merged = scope] = known === undefined ? [scope] : mergeScopes([known, scope]);
      this.#expected.set(key, merged);
    }
  }

  /**
   * Returns the authorization for a request that needs these scopes. Returns an empty object before the first 401, or
   * if Basic is used and there are no usable credentials. The repository of the first scope determines the account.
   */
  async authorize(scopes: readonly Scope[]): Promise<Authorization> {
    if (!this.#basic && this.#bearer === undefined) return {};
    const credentials = await this.#credentialsFor(scopes);
    const login = { hasLogin: credentials !== undefined, place: credentials?.place };
    if (credentials?.type === 'bearer') return { header: `Bearer ${credentials.token}`, ...login };
    if (this.#bearer === undefined) return basicAuthorization(credentials);
    const service = this.#bearer;
    try {
      const cachedToken = await this.#tokenFor(service, scopes, credentials);
      return { header: `Bearer ${cachedToken.token.value}`, cachedToken, ...login };
    } catch (thrown) {
      if (!service.acceptsBasic || credentials?.type !== 'basic' || !isUnusable(thrown)) throw thrown;
      this.#unusable.add(service.realm.href);
      if (this.#bearer === service) this.#bearer = undefined;
      return basicAuthorization(credentials);
    }
  }

  /** Records that the registry has accepted a request, and therefore its token. */
  accepted({ cachedToken }: Authorization): void {
    if (cachedToken !== undefined) cachedToken.isAccepted = true;
  }

  /**
   * Handles a 401 or 403.
   * @returns whether the request should be sent again, with the authorization that `authorize` returns then
   * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the address of the token service is forbidden, and the registry
   * does not accept Basic
   */
  async refused({ status, challenge, sent, scopes, before, base }: RefusedRequest): Promise<boolean> {
    if (status === 403) return this.#useOwnToken(sent.cachedToken, scopes);
    const challenges = parseChallenges(challenge ?? '');
    const acceptsBasic = challenges.some(({ scheme }) => scheme === 'basic');
    this.#basic ||= acceptsBasic;
    const bearer = this.#usableBearer(challenges, base, acceptsBasic);
    if (bearer !== undefined)
      return this.#learnBearer(bearer, sent, scopes) || this.#pauseForToken(bearer.parameters, sent, before);
    if (sent.header !== undefined) return false;
    // In the meantime, the response to another request may have contained a challenge with a token service.
    if (this.#bearer !== undefined) return true;
    return this.#basic && (await this.#credentialsFor(scopes))?.type === 'basic';
  }

  /** Returns the credentials, without duplicates, for the announced scopes. Without these, for the registry. */
  async logins(): Promise<readonly Credentials[]> {
    const scopes = this.#expected.size === 0 ? [undefined] : [...this.#expected.values()];
    const found = await Promise.all(scopes.map((scope) => this.#credentialsFor(scope === undefined ? [] : [scope])));
    return found
      .flatMap((credentials) => credentials ?? [])
      .filter((one, at, all) => all.findIndex((other) => sameCredentials(one, other)) === at);
  }

  /** The host of the token service in use; undefined unless the registry has requested a bearer token. */
  get tokenService(): string | undefined {
    return this.#bearer?.realm.host;
  }

  /** Whether the announced scopes include actions other than `pull`. */
  get writes(): boolean {
    return [...this.#expected.values()].some(({ actions }) => actions.some((action) => action !== 'pull'));
  }

  /** Whether a 401 has shown which authentication the registry requires. */
  get hasLearned(): boolean {
    return this.#basic || this.#bearer !== undefined;
  }

  /**
   * Returns the first Bearer challenge whose token service may be used; undefined if there is no such challenge.
   * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the token services of all Bearer challenges have forbidden
   * addresses, and the registry does not accept Basic
   */
  #usableBearer(challenges: readonly Challenge[], base: URL, acceptsBasic: boolean): BearerChallenge | undefined {
    const { registry, authHosts } = this.#options;
    const failures: unknown[] = [];
    for (const { scheme, parameters } of challenges) {
      const { realm: address, service } = parameters;
      if (scheme !== 'bearer' || address === undefined) continue;
      try {
        const realm = parseRealm(address, registry);
        checkRealm({ registry, base, realm, authHosts });
        const isUsable = !acceptsBasic || !this.#unusable.has(realm.href);
        if (isUsable) return { parameters, service: { realm, base, service, acceptsBasic } };
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0 && !acceptsBasic) throw failures[0];
    return undefined;
  }

  #learnBearer({ parameters, service }: BearerChallenge, sent: Authorization, scopes: readonly Scope[]): boolean {
    const { cachedToken } = sent;
    const isOther = this.#bearer?.realm.href !== service.realm.href || this.#bearer.service !== service.service;
    if (isOther) this.#bearer = service;
    const required = parseScopes(parameters['scope']);
    const requiresMore = scopes.length > 0 && !coverAll(cachedToken?.scopes ?? scopes, required);
    if (requiresMore && this.#isNewRequirement(scopes, required)) return true;
    if (cachedToken === undefined) return sent.header === undefined;
    if (requiresMore) return this.#useOwnToken(cachedToken, scopes);
    if (isOther) return !cachedToken.isAccepted;
    const isOld = performance.now() - cachedToken.received > FRESH_MS;
    if (parameters['error'] === 'invalid_token' ? cachedToken.isAccepted || isOld : isOld) {
      this.#tokens.forget(cachedToken);
      return true;
    }
    return this.#useOwnToken(cachedToken, scopes);
  }

  /**
   * Waits if this request was refused with this token for the first time, and not for an insufficient scope. A new
   * token may not have reached all servers of the registry yet.
   * @returns whether the request should be sent again with the same token
   */
  async #pauseForToken(
    parameters: Challenge['parameters'],
    { cachedToken }: Authorization,
    before?: Authorization,
  ): Promise<boolean> {
    if (
      cachedToken === undefined ||
      cachedToken === before?.cachedToken ||
      parameters['error'] === 'insufficient_scope'
    )
      return false;
    await this.#options.tokens.pause(1);
    return true;
  }

  /**
   * Records the scopes that the registry requires for a request with these scopes.
   * @returns false if they were recorded before
   */
  #isNewRequirement(scopes: readonly Scope[], required: readonly Scope[]): boolean {
    const key = keyOf(scopes);
    const known = this.#challenged.get(key);
    if (known !== undefined && coverAll(known, required)) return false;
    this.#challenged.set(key, mergeScopes([...required, ...(known ?? [])]));
    return true;
  }

  /**
   * Records that requests with these scopes need a separate token. Does nothing if no token was refused, or if the
   * refused token had exactly the needed scopes.
   * @returns whether the request should be sent again with a separate token
   */
  #useOwnToken(refused: CachedToken | undefined, scopes: readonly Scope[]): boolean {
    if (refused === undefined || keyOf(refused.scopes) === keyOf(this.#neededScopes(scopes))) return false;
    this.#narrow.add(keyOf(scopes));
    return true;
  }

  /**
   * Returns the scopes to request a token for. The scopes from a challenge come first, because some token services
   * issue a token for the first scope only.
   */
  #neededScopes(scopes: readonly Scope[]): readonly Scope[] {
    return mergeScopes([...(this.#challenged.get(keyOf(scopes)) ?? []), ...scopes]);
  }

  async #tokenFor(
    service: TokenService,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<CachedToken> {
    const needed = this.#neededScopes(scopes);
    const isNarrow = this.#narrow.has(keyOf(scopes));
    const accepted = isNarrow ? undefined : this.#tokens.accepted(service, needed, credentials);
    if (accepted !== undefined) return accepted;
    const shared = isNarrow ? undefined : await this.#sharedScopes(needed, credentials);
    if (shared === undefined) return this.#tokens.get(service, needed, credentials);
    try {
      return await this.#tokens.get(service, neededFirst(shared, needed), credentials);
    } catch (error) {
      if (!isTokenRefusal(error)) throw error;
      this.#narrow.add(keyOf(scopes));
      return this.#tokens.get(service, needed, credentials);
    }
  }

  /**
   * Returns the group of announced scopes of this account that includes the needed scopes; undefined if there is no
   * such group, or if it has no other scopes.
   */
  async #sharedScopes(
    needed: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<readonly Scope[] | undefined> {
    const expected = [...this.#expected.values()];
    const accounts = await Promise.all(expected.map((scope) => this.#credentialsFor([scope])));
    const sameAccount = expected.filter((_, at) => sameCredentials(accounts[at], credentials));
    const group = groupScopes(sameAccount).find((scopes) => coverAll(scopes, needed));
    return group === undefined || keyOf(group) === keyOf(needed) ? undefined : group;
  }

  #credentialsFor([scope]: readonly Scope[]): Promise<Credentials | undefined> {
    const repository = scope?.name ?? '';
    return getOrCreate(this.#credentials, repository, async () =>
      this.#redact(await this.#readCredentials(repository)),
    );
  }

  /** Calls the `credentials` option. Users of the library can provide this function, so it may throw any value. */
  async #readCredentials(repository: string): Promise<Credentials | undefined> {
    const { registry, credentials } = this.#options;
    try {
      return await credentials(repository);
    } catch (thrown) {
      if (thrown instanceof MlistError) throw thrown;
      const message = `cannot get the credentials for ${registry}: ${errorMessage(thrown)}`;
      throw new MlistError('ERR_MLIST_CREDENTIALS', message, { reference: registry, cause: thrown });
    }
  }

  /** Registers the secrets of the credentials, so that messages do not contain them. Returns the credentials. */
  #redact(credentials: Credentials | undefined): Credentials | undefined {
    const { secrets } = this.#options;
    if (credentials?.type === 'basic') secrets.add(credentials.password, encoded(credentials));
    else secrets.add(credentials?.token);
    return credentials;
  }
}

function basicAuthorization(credentials: Credentials | undefined): Authorization {
  const { authorization } = basicHeader(credentials);
  return authorization === undefined ? {} : { header: authorization, hasLogin: true, place: credentials?.place };
}

function encoded(credentials: Credentials): string | undefined {
  return basicHeader(credentials)['authorization']?.slice('Basic '.length);
}

/** Whether the token service refused the request. If so, it may still issue a token for fewer scopes. */
function isTokenRefusal(error: unknown): boolean {
  const status = error instanceof MlistError ? (error.facts.status ?? 0) : 0;
  return status >= 400 && status < 500 && !isTransientStatus(status);
}

const unusable: ReadonlySet<unknown> = new Set<ErrorCode>([
  'ERR_MLIST_REGISTRY',
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
]);

/**
 * Whether the token service has failed or is not trusted. False if it has refused the credentials, or if it has sent a
 * `Retry-After` that is longer than mlist waits.
 */
function isUnusable(error: unknown): boolean {
  if (!(error instanceof MlistError) || exceedsMaxWait(error.facts)) return false;
  const { code, facts } = error;
  return unusable.has(code) || (code === 'ERR_MLIST_UNAUTHORIZED' && facts.status === undefined);
}

/** Moves the scopes of the needed resources to the front. */
function neededFirst(scopes: readonly Scope[], needed: readonly Scope[]): readonly Scope[] {
  const isNeeded = (scope: Scope) => needed.some(({ type, name }) => scope.type === type && scope.name === name);
  return [...scopes.filter(isNeeded), ...scopes.filter((scope) => !isNeeded(scope))];
}

function parseRealm(text: string, registry: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new MlistError('ERR_MLIST_FORBIDDEN_ADDRESS', `${registry} sent a token realm that is not an absolute URL`);
}
