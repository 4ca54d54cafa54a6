import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { bearerChallenge, TOKEN_PATH, unauthorized } from '../auth/login-challenge.ts';
import { TOKEN_SECONDS } from '../auth/tokens.ts';
import { requestBody } from '../limits/received-body.ts';
import type { Limits } from '../limits/server-limits.ts';
import { RecentMap } from '../../async/recent-map.ts';
import { replyJson, type ServerExchange } from '../server-exchange.ts';

/** Options of the token service at `/token`. */
export interface TokenLoginOptions {
  /** The lifetime of a token in seconds. Default 300. */
  readonly expiresIn?: number | undefined;
  /**
   * Whether clients without a login get tokens for pulls. Default false. Without `htpasswd`, this has no effect: all
   * clients get tokens for all actions.
   */
  readonly anonymousPull?: boolean | undefined;
}

/** Checks the user name and password in an `Authorization` header. Rejects if they are wrong or missing. */
export type CheckLogin = (authorization: string | undefined) => Promise<void>;

interface IssuedToken {
  /** The permitted actions, keyed by resource, such as `repository:team/app`. */
  readonly actions: ReadonlyMap<string, readonly string[]>;
  readonly expires: number;
}

const MAX_TOKENS = 10_000;
const MAX_FORM_BYTES = 16 * 1024;

/**
 * Issues tokens at `/token`, and requires a token for all other requests except the health check (distribution, "Token
 * Authentication Specification").
 */
export class TokenLogin {
  readonly #checkLogin: CheckLogin | undefined;
  readonly #limits: Limits;
  readonly #lifeMs: number;
  readonly #anonymousPull: boolean;
  readonly #scheme: 'http' | 'https';
  readonly #tokens = new RecentMap<string, IssuedToken>(MAX_TOKENS);

  /** @param parts - `checkLogin` is undefined if the registry has no users */
  constructor(
    options: TokenLoginOptions,
    parts: { readonly checkLogin: CheckLogin | undefined; readonly limits: Limits; readonly scheme: 'http' | 'https' },
  ) {
    this.#lifeMs = (options.expiresIn ?? TOKEN_SECONDS) * 1000;
    this.#anonymousPull = options.anonymousPull ?? false;
    this.#checkLogin = parts.checkLogin;
    this.#limits = parts.limits;
    this.#scheme = parts.scheme;
  }

  /**
   * Answers the request if its path is `/token`.
   * @returns false if the request has another path
   * @throws RequestError 401 if the user name or password is wrong, or if they are required and missing
   */
  async issue(exchange: Pick<ServerExchange, 'request' | 'response' | 'query'>, path: string): Promise<boolean> {
    if (path === TOKEN_PATH) await this.#issue(exchange as ServerExchange);
    return path === TOKEN_PATH;
  }

  async #issue(exchange: ServerExchange): Promise<void> {
    const { request } = exchange;
    const isForm = request.method === 'POST';
    const form = isForm ? await readForm(request, this.#limits) : exchange.query;
    const scopes = isForm
      ? (form.get('scope') ?? '').split(' ')
      : form.getAll('scope').flatMap((each) => each.split(' '));
    const authorization = isForm ? basicOf(form) : request.headers.authorization;
    const isAnonymous = authorization === undefined && this.#checkLogin !== undefined;
    if (!isAnonymous || !this.#anonymousPull) await this.#checkLogin?.(authorization);
    const token = randomBytes(24).toString('base64url');
    this.#tokens.set(token, { actions: actionsIn(scopes, isAnonymous), expires: Date.now() + this.#lifeMs });
    const issued = { expires_in: this.#lifeMs / 1000, issued_at: new Date().toISOString() };
    replyJson(exchange, isForm ? { access_token: token, ...issued } : { token, access_token: token, ...issued });
  }

  /**
   * Checks that the token of a request permits the actions that the request needs.
   * @throws RequestError 401 with the challenge if the token does not permit them, or is invalid or missing
   */
  check(exchange: Pick<ServerExchange, 'request' | 'name' | 'query'>): void {
    const needed = neededFor(exchange);
    const { headers } = exchange.request;
    const sent = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    const token = this.#tokens.get(sent ?? '');
    const isValid = token !== undefined && token.expires > Date.now();
    const isSufficient = needed.every(([name, actions]) =>
      actions.every((action) => token?.actions.get(name)?.includes(action) === true),
    );
    if (isValid && isSufficient) return;
    const scope = needed.map(([name, actions]) => `${name}:${actions.join(',')}`).join(' ');
    const challenge = bearerChallenge({
      scheme: this.#scheme,
      host: headers.host,
      scope: scope === '' ? undefined : scope,
      error: sent === undefined ? undefined : isValid ? 'insufficient_scope' : 'invalid_token',
    });
    if (sent === undefined) throw unauthorized(challenge);
    throw unauthorized(challenge, isValid ? 'the token does not permit this request' : 'invalid or expired token');
  }
}

type NeededActions = readonly (readonly [resource: string, actions: readonly string[]])[];

/** Returns the actions that the token of a request must permit. */
function neededFor({ request, name, query }: Pick<ServerExchange, 'request' | 'name' | 'query'>): NeededActions {
  if (name === '') return [];
  const { method = '', url = '' } = request;
  const reads = method === 'GET' || method === 'HEAD';
  const deletes = method === 'DELETE' && !url.includes('/uploads/');
  const actions = reads ? ['pull'] : deletes ? ['delete'] : ['pull', 'push'];
  const from = query.get('from');
  return [[`repository:${name}`, actions], ...(from === null ? [] : [[`repository:${from}`, ['pull']] as const])];
}

/** Parses scopes such as `repository:team/app:pull,push`. With `pullOnly`, actions other than `pull` are omitted. */
function actionsIn(scopes: readonly string[], pullOnly: boolean): ReadonlyMap<string, readonly string[]> {
  const granted = new Map<string, readonly string[]>();
  for (const scope of scopes.slice(0, 100)) {
    const [, name, actions] = /^(.+):([^:]+)$/.exec(scope) ?? [];
    if (name === undefined || actions === undefined) continue;
    const all = actions.split(',').flatMap((action) => (action === '*' ? ['pull', 'push', 'delete'] : [action]));
    granted.set(name, [...(granted.get(name) ?? []), ...all.filter((action) => !pullOnly || action === 'pull')]);
  }
  return granted;
}

async function readForm(request: IncomingMessage, limits: Limits): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of requestBody(request, limits, MAX_FORM_BYTES)) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

/**
 * Returns the user name and password of an OAuth 2 request as an `Authorization` header with Basic credentials, or
 * undefined if there is no user name.
 */
function basicOf(form: URLSearchParams): string | undefined {
  const username = form.get('username');
  if (username === null) return undefined;
  return `Basic ${Buffer.from(`${username}:${form.get('password') ?? ''}`).toString('base64')}`;
}
