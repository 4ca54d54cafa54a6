import { getOrCreate } from '../../../async/single-flight.ts';
import { MlistError, type ErrorCode } from '../../../errors/errors.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { sameCredentials, type Credentials } from '../credentials/credentials.ts';
import { TokenCache, type CachedToken, type TokenService } from './token-cache.ts';
import type { AuthHost } from '../registry-options.ts';
import { exceedsMaxWait, isTransientStatus } from '../http/retry.ts';
import { coverAll, covers, groupScopes, keyOf, mergeScopes, parseScopes, type Scope } from './scope.ts';
import type { SecretRedactor } from '../../../errors/redact.ts';
import { basicHeader, type TokenSender } from './token-service.ts';
import { checkRealm } from './realm-trust.ts';

/**
 * Authorises the requests to one registry. It learns what the registry wants from the first 401, and gets one token for
 * all repositories that the command works on; where such a token is not given, or not enough, one for each need.
 */
export interface AuthorizerOptions {
  /** As named in references. */
  readonly registry: string;
  /** What to log in with for a repository; accounts may differ from one to the next. */
  readonly credentials: (repository: string) => Promise<Credentials | undefined>;
  readonly authHosts: readonly AuthHost[];
  readonly secrets: SecretRedactor;
  readonly tokens: TokenSender;
}

/** What a request was sent with; handed back where the registry did not like it. */
export interface Authorization {
  readonly header?: string;
  /** Whether it authenticates an account; a token service also issues anonymous tokens. */
  readonly hasLogin?: boolean;
  /** Where the login comes from. */
  readonly place?: string | undefined;
  readonly cachedToken?: CachedToken;
}

/** A 401 or 403, and what it was the answer to. */
export interface RefusedRequest {
  readonly status: number;
  /** The header `WWW-Authenticate`. */
  readonly challenge: string | undefined;
  readonly sent: Authorization;
  readonly scopes: readonly Scope[];
  /** What the previous attempt of the same request was sent with. */
  readonly before?: Authorization | undefined;
  /** Where the registry's API answers. */
  readonly base: URL;
}

interface BearerChallenge {
  readonly parameters: Challenge['parameters'];
  readonly service: TokenService;
}

/** A token that is refused although it is younger than this was never good for the request. */
const FRESH_MS = 2_000;

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants: TokenCache;
  readonly #credentials = new Map<string, Promise<Credentials | undefined>>();
  /** Needs that a token for more than them does not serve. */
  readonly #narrow = new Set<string>();
  /** What the registry asks for a need beyond what mlist would think of. */
  readonly #challenged = new Map<string, readonly Scope[]>();
  /** By resource, in the order in which they were told. */
  readonly #expected = new Map<string, Scope>();
  #basic = false;
  #bearer: TokenService | undefined;
  /** Realms that are not asked again because they issued no token and the registry also accepts Basic. */
  readonly #unusable = new Set<string>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#grants = new TokenCache(options);
  }

  /** Tells beforehand what the command will work on. */
  expect(scopes: readonly Scope[]): void {
    for (const scope of scopes) {
      const key = `${scope.type}:${scope.name}`;
      const known = this.#expected.get(key);
      if (known !== undefined && covers(known, scope)) continue;
      const [merged = scope] = known === undefined ? [scope] : mergeScopes([known, scope]);
      this.#expected.set(key, merged);
    }
  }

  /** What a request that needs these scopes is sent with, as far as is known. The first is the one that matters most. */
  async authorize(scopes: readonly Scope[]): Promise<Authorization> {
    if (!this.#basic && this.#bearer === undefined) return {};
    const credentials = await this.#credentialsFor(scopes);
    const login = { hasLogin: credentials !== undefined, place: credentials?.place };
    if (credentials?.type === 'bearer') return { header: `Bearer ${credentials.token}`, ...login };
    if (this.#bearer === undefined) return basicAuthorization(credentials);
    const service = this.#bearer;
    try {
      const grant = await this.#grantFor(service, scopes, credentials);
      return { header: `Bearer ${grant.token.value}`, cachedToken: grant, ...login };
    } catch (thrown) {
      if (!service.acceptsBasic || credentials?.type !== 'basic' || !isUnusable(thrown)) throw thrown;
      this.#unusable.add(service.realm.href);
      if (this.#bearer === service) this.#bearer = undefined;
      return basicAuthorization(credentials);
    }
  }

  /** The registry took what a request was sent with. */
  accepted({ cachedToken }: Authorization): void {
    if (cachedToken !== undefined) cachedToken.isAccepted = true;
  }

  /**
   * Takes in a 401 or 403 to a request.
   * @returns whether the request is worth sending again
   * @throws MlistError where the registry sends its client to a token service that it must not talk to
   */
  async refused({ status, challenge, sent, scopes, before, base }: RefusedRequest): Promise<boolean> {
    if (status === 403) return this.#isTooNarrow(sent.cachedToken, scopes);
    const challenges = parseChallenges(challenge ?? '');
    const acceptsBasic = challenges.some(({ scheme }) => scheme === 'basic');
    this.#basic ||= acceptsBasic;
    const bearer = this.#usableBearer(challenges, base, acceptsBasic);
    if (bearer !== undefined)
      return this.#learnBearer(bearer, sent, scopes) || this.#pauseForToken(bearer.parameters, sent, before);
    if (sent.header !== undefined) return false;
    // The response to another request may have named the token service in the meantime.
    if (this.#bearer !== undefined) return true;
    return this.#basic && (await this.#credentialsFor(scopes))?.type === 'basic';
  }

  /** Whether a 401 has already told how to log in. */
  get hasLearned(): boolean {
    return this.#basic || this.#bearer !== undefined;
  }

  /**
   * The first Bearer challenge whose token service may be used.
   * @throws MlistError if none of them may be used, and the registry does not accept Basic
   */
  #usableBearer(challenges: readonly Challenge[], base: URL, acceptsBasic: boolean): BearerChallenge | undefined {
    const { registry, authHosts } = this.#options;
    const faults: unknown[] = [];
    for (const { scheme, parameters } of challenges) {
      const { realm: address, service } = parameters;
      if (scheme !== 'bearer' || address === undefined) continue;
      try {
        const realm = parseRealm(address, registry);
        checkRealm({ registry, base, realm, authHosts });
        const isUsable = !acceptsBasic || !this.#unusable.has(realm.href);
        if (isUsable) return { parameters, service: { realm, base, service, acceptsBasic } };
      } catch (thrown) {
        faults.push(thrown);
      }
    }
    if (faults.length > 0 && !acceptsBasic) throw faults[0];
    return undefined;
  }

  #learnBearer({ parameters, service }: BearerChallenge, sent: Authorization, scopes: readonly Scope[]): boolean {
    const { cachedToken } = sent;
    const isOther = this.#bearer?.realm.href !== service.realm.href || this.#bearer.service !== service.service;
    if (isOther) this.#bearer = service;
    const asked = parseScopes(parameters['scope']);
    const wantsMore = scopes.length > 0 && !coverAll(cachedToken?.scopes ?? scopes, asked);
    if (wantsMore && this.#isNewNeed(scopes, asked)) return true;
    if (cachedToken === undefined) return sent.header === undefined;
    if (wantsMore) return this.#isTooNarrow(cachedToken, scopes);
    if (isOther) return !cachedToken.isAccepted;
    const isOld = performance.now() - cachedToken.received > FRESH_MS;
    if (parameters['error'] === 'invalid_token' ? cachedToken.isAccepted || isOld : isOld) {
      this.#grants.forget(cachedToken);
      return true;
    }
    return this.#isTooNarrow(cachedToken, scopes);
  }

  /** Pauses after one 401 to a new token, which not every server may know yet. @returns whether to send it again */
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

  /** Records what the registry requires beyond these scopes. @returns whether that was unknown */
  #isNewNeed(scopes: readonly Scope[], asked: readonly Scope[]): boolean {
    const key = keyOf(scopes);
    const known = this.#challenged.get(key);
    if (known !== undefined && coverAll(known, asked)) return false;
    this.#challenged.set(key, mergeScopes([...asked, ...(known ?? [])]));
    return true;
  }

  #isTooNarrow(grant: CachedToken | undefined, scopes: readonly Scope[]): boolean {
    if (grant === undefined || keyOf(grant.scopes) === keyOf(this.#needOf(scopes))) return false;
    this.#narrow.add(keyOf(scopes));
    return true;
  }

  /** What the challenge asked for goes first: some services honour only the first scope. */
  #needOf(scopes: readonly Scope[]): readonly Scope[] {
    return mergeScopes([...(this.#challenged.get(keyOf(scopes)) ?? []), ...scopes]);
  }

  async #grantFor(
    service: TokenService,
    scopes: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<CachedToken> {
    const need = this.#needOf(scopes);
    const isNarrow = this.#narrow.has(keyOf(scopes));
    const proved = isNarrow ? undefined : this.#grants.accepted(service, need, credentials);
    if (proved !== undefined) return proved;
    const shared = isNarrow ? undefined : await this.#sharedFor(need, credentials);
    if (shared === undefined) return this.#grants.get(service, need, credentials);
    try {
      return await this.#grants.get(service, first(shared, need), credentials);
    } catch (error) {
      if (!isTokenRefusal(error)) throw error;
      this.#narrow.add(keyOf(scopes));
      return this.#grants.get(service, need, credentials);
    }
  }

  /** All that one account is expected to need, where that is more than this and includes it. */
  async #sharedFor(
    need: readonly Scope[],
    credentials: Credentials | undefined,
  ): Promise<readonly Scope[] | undefined> {
    const expected = [...this.#expected.values()];
    const accounts = await Promise.all(expected.map((scope) => this.#credentialsFor([scope])));
    const own = expected.filter((_, at) => sameCredentials(accounts[at], credentials));
    const group = groupScopes(own).find((scopes) => coverAll(scopes, need));
    return group === undefined || keyOf(group) === keyOf(need) ? undefined : group;
  }

  #credentialsFor([scope]: readonly Scope[]): Promise<Credentials | undefined> {
    const repository = scope?.name ?? '';
    return getOrCreate(this.#credentials, repository, () =>
      this.#options.credentials(repository).then((found) => this.#kept(found)),
    );
  }

  #kept(credentials: Credentials | undefined): Credentials | undefined {
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

/** The token service refused, and may give a token for fewer scopes. */
function isTokenRefusal(error: unknown): boolean {
  const status = error instanceof MlistError ? (error.facts.status ?? 0) : 0;
  return status >= 400 && status < 500 && !isTransientStatus(status);
}

const unusable: ReadonlySet<unknown> = new Set<ErrorCode>([
  'ERR_MLIST_REGISTRY',
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
]);

/** Whether a token service cannot be used: it fails, or must not see the login. It has not refused the login. */
function isUnusable(error: unknown): boolean {
  if (!(error instanceof MlistError) || exceedsMaxWait(error.facts)) return false;
  const { code, facts } = error;
  return unusable.has(code) || (code === 'ERR_MLIST_UNAUTHORIZED' && facts.status === undefined);
}

/** The scopes with those of what is needed now in front. */
function first(scopes: readonly Scope[], need: readonly Scope[]): readonly Scope[] {
  const isNeeded = (scope: Scope) => need.some(({ type, name }) => scope.type === type && scope.name === name);
  return [...scopes.filter(isNeeded), ...scopes.filter((scope) => !isNeeded(scope))];
}

function parseRealm(text: string, registry: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new MlistError(
    'ERR_MLIST_FORBIDDEN_ADDRESS',
    `${registry} names a token service whose address is no absolute URL`,
  );
}
