import { MlistError } from '../../errors.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import type { AuthHost } from './options.ts';
import { covers, formatScope, MAX_SCOPES, mergeScopes, type Scope } from './scope.ts';
import type { Secrets } from './secrets.ts';
import { basicHeader, fetchToken, type SendToken, type Token } from './token.ts';
import { checkCredentialTrust, checkRealm } from './trust.ts';

/**
 * Authorises the requests to one registry. It learns what the registry wants from the first 401, and gets one token for
 * all repositories that the command works on; where such a token is not given, or not enough, one for each need.
 */
export interface AuthorizerOptions {
  readonly registry: string;
  readonly credentials: () => Promise<Credentials | undefined>;
  readonly authHosts: readonly AuthHost[];
  readonly secrets: Secrets;
  readonly send: SendToken;
}

/** What a request was sent with; handed back where the registry did not like it. */
export interface Authorization {
  readonly header?: string;
  readonly grant?: Grant;
}

/** A token, and what it was asked for. */
interface Grant {
  readonly key: string;
  readonly shared: boolean;
  readonly token: Token;
  readonly received: number;
}

interface Bearer {
  readonly realm: URL;
  /** Where the registry's API answers. */
  readonly base: URL;
  readonly service: string | undefined;
  /** What the first challenge asked for: some services honour only the first scope. */
  readonly first: string | undefined;
}

const SHARED = 'shared';

/** A token that is refused although it is younger than this was never good for the request. */
const FRESH_MS = 2_000;

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #grants = new Map<string, Promise<Grant>>();
  /** Needs that the shared token does not serve. */
  readonly #narrow = new Set<string>();
  #expected: readonly Scope[] = [];
  #basic = false;
  #bearer: Bearer | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Tells beforehand what the command will work on. */
  expect(scopes: readonly Scope[]): void {
    this.#expected = mergeScopes([...this.#expected, ...scopes]);
  }

  /** What a request that needs these scopes is sent with, as far as is known. */
  async authorize(scopes: readonly Scope[]): Promise<Authorization> {
    if (this.#basic) return basicAuthorization(await this.#credentials());
    if (this.#bearer === undefined) return {};
    const credentials = await this.#credentials();
    if (credentials?.type === 'bearer') return { header: `Bearer ${credentials.token}` };
    const grant = await this.#grantFor(this.#bearer, scopes);
    return { header: `Bearer ${grant.token.value}`, grant };
  }

  /**
   * Takes in a 401 or 403 to a request.
   * @returns whether the request is worth sending again
   */
  async refused(
    status: number,
    header: string | undefined,
    sent: Authorization,
    scopes: readonly Scope[],
    base: URL,
  ): Promise<boolean> {
    if (status === 403) return this.#isTooNarrow(sent.grant, scopes);
    const challenges = parseChallenges(header ?? '');
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters['realm'] !== undefined,
    );
    if (bearer !== undefined) return this.#learnBearer(bearer, sent, scopes, base);
    if (!challenges.some(({ scheme }) => scheme === 'basic') || sent.header !== undefined) return false;
    this.#basic = true;
    return (await this.#credentials())?.type === 'basic';
  }

  #learnBearer(
    { parameters }: Challenge,
    { header, grant }: Authorization,
    scopes: readonly Scope[],
    base: URL,
  ): boolean {
    const realm = parseRealm(parameters['realm'] ?? '', this.#options.registry);
    checkRealm({ registry: this.#options.registry, base, realm, authHosts: this.#options.authHosts });
    const service = parameters['service'];
    this.#bearer ??= { realm, base, service, first: parameters['scope']?.split(' ', 1)[0] };
    if (grant === undefined) return header === undefined;
    if (performance.now() - grant.received > FRESH_MS) return this.#forget(grant);
    return this.#isTooNarrow(grant, scopes);
  }

  /** An old token has expired, or was taken back: get another. */
  #forget(grant: Grant): boolean {
    this.#grants.delete(grant.key);
    return true;
  }

  #isTooNarrow(grant: Grant | undefined, scopes: readonly Scope[]): boolean {
    if (grant?.shared !== true) return false;
    this.#narrow.add(keyOf(scopes));
    return true;
  }

  async #grantFor(bearer: Bearer, scopes: readonly Scope[]): Promise<Grant> {
    const key = keyOf(scopes);
    const isShared =
      !this.#narrow.has(key) && scopes.every((scope) => this.#expected.some((one) => covers(one, scope)));
    if (!isShared) return this.#cached(key, () => this.#fetch(bearer, key, mergeScopes(scopes)));
    try {
      return await this.#cached(SHARED, () => this.#fetch(bearer, SHARED, this.#expected));
    } catch (error) {
      if (!(error instanceof MlistError) || error.code !== 'ERR_MLIST_UNAUTHORIZED' || this.#expected.length < 2)
        throw error;
      this.#narrow.add(key);
      return this.#grantFor(bearer, scopes);
    }
  }

  /** One request for a token at a time for each need; a token that is about to expire is got anew. */
  async #cached(key: string, fetch: () => Promise<Grant>): Promise<Grant> {
    const known = this.#grants.get(key);
    if (known !== undefined) {
      const grant = await known;
      if (performance.now() < grant.token.expires) return grant;
      if (this.#grants.get(key) === known) this.#grants.delete(key);
      return this.#cached(key, fetch);
    }
    const fetching = fetch();
    this.#grants.set(key, fetching);
    fetching.catch((error: unknown) => {
      const isFinal = error instanceof MlistError && error.code === 'ERR_MLIST_UNAUTHORIZED';
      if (!isFinal) this.#grants.delete(key);
    });
    return fetching;
  }

  async #fetch(bearer: Bearer, key: string, scopes: readonly Scope[]): Promise<Grant> {
    const credentials = await this.#credentials();
    if (credentials !== undefined) await checkCredentialTrust({ ...this.#options, ...bearer });
    const texts = ordered(scopes.map(formatScope), bearer.first).slice(0, MAX_SCOPES);
    const token = await fetchToken(
      { realm: bearer.realm, service: bearer.service, scopes: texts, credentials },
      this.#options.send,
    );
    this.#options.secrets.add(token.value);
    return { key, shared: key === SHARED && scopes.length > 1, token, received: performance.now() };
  }

  async #credentials(): Promise<Credentials | undefined> {
    const credentials = await this.#options.credentials();
    if (credentials?.type === 'basic') this.#options.secrets.add(credentials.password, encoded(credentials));
    else this.#options.secrets.add(credentials?.token);
    return credentials;
  }
}

function basicAuthorization(credentials: Credentials | undefined): Authorization {
  const { authorization } = basicHeader(credentials);
  return authorization === undefined ? {} : { header: authorization };
}

function encoded(credentials: Credentials): string | undefined {
  return basicHeader(credentials)['authorization']?.slice('Basic '.length);
}

function keyOf(scopes: readonly Scope[]): string {
  return mergeScopes(scopes).map(formatScope).sort().join(' ');
}

/** The scope of the same repository as the challenged one goes first. */
function ordered(scopes: readonly string[], first: string | undefined): readonly string[] {
  const repository = first?.slice(0, first.lastIndexOf(':') + 1);
  const isFirst = (scope: string) => repository !== undefined && scope.startsWith(repository);
  return [...scopes.filter(isFirst), ...scopes.filter((scope) => !isFirst(scope))];
}

function parseRealm(text: string, registry: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new MlistError(
    'ERR_MLIST_FORBIDDEN_ADDRESS',
    `${registry} names a token service whose address is no absolute URL`,
  );
}
