import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { answer, RecordingProxy, type Rule } from './recording-proxy.ts';
import type { RequestWaves } from './request-waves.ts';

/** A token service (distribution, docs "Token Authentication"), and a rule for a registry that requires its tokens. */
export interface TokenServiceOptions {
  /** Passwords by user name. */
  readonly users?: Readonly<Record<string, string>>;
  /** User names by refresh token. */
  readonly refreshTokens?: Readonly<Record<string, string>>;
  /** Returns the granted scopes. Default: all requested scopes for users, pull for anonymous clients. */
  readonly grant?: (scopes: readonly string[], account: string | undefined) => readonly string[] | undefined;
  /** Milliseconds for which the registry accepts a token. */
  readonly lifeMs?: number;
  /** The lifetime that the service states, in seconds. */
  readonly expiresIn?: number;
  /** Supported methods. Default: both. */
  readonly methods?: readonly ('GET' | 'POST')[];
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly waves?: RequestWaves;
}

interface Issued {
  readonly scopes: readonly string[];
  readonly account: string | undefined;
  expires: number;
}

export interface TokenRequest {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly service: string | null;
  readonly account: string | undefined;
  readonly form: URLSearchParams;
}

export class TokenService {
  readonly proxy: RecordingProxy;
  /** Every request for a token. */
  readonly requests: TokenRequest[] = [];
  readonly #options: TokenServiceOptions;
  readonly #issued = new Map<string, Issued>();

  private constructor(proxy: RecordingProxy, options: TokenServiceOptions) {
    this.proxy = proxy;
    this.#options = options;
    proxy.on(/ \/token/, (exchange) => this.#give(exchange));
  }

  static async start(options: TokenServiceOptions = {}): Promise<TokenService> {
    return new TokenService(await RecordingProxy.start({ tls: options.tls, waves: options.waves }), options);
  }

  get realm(): string {
    return `${this.proxy.url}/token`;
  }

  get tokens(): readonly string[] {
    return [...this.#issued.keys()];
  }

  close(): Promise<void> {
    return this.proxy.close();
  }

  /** Invalidates all tokens. */
  expire(): void {
    for (const issued of this.#issued.values()) issued.expires = 0;
  }

  /** Why the token of a request does not cover the scopes; undefined if it does. */
  fault(
    authorization: string | undefined,
    needed: readonly string[],
  ): 'none' | 'invalid_token' | 'insufficient_scope' | undefined {
    const issued = this.#issued.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    if (authorization === undefined) return 'none';
    if (issued === undefined || issued.expires < Date.now()) return 'invalid_token';
    return needed.every((scope) => isCovered(scope, issued.scopes)) ? undefined : 'insufficient_scope';
  }

  async #give(exchange: Parameters<Rule>[0]): Promise<void> {
    const { request } = exchange;
    const { methods = ['GET', 'POST'], refreshTokens = {}, users = {} } = this.#options;
    const body = await bodyOf(request);
    const isPost = request.method === 'POST';
    const form = isPost ? new URLSearchParams(body) : new URL(request.url ?? '', this.proxy.url).searchParams;
    const scopes = isPost ? (form.get('scope') ?? '').split(' ').filter(Boolean) : form.getAll('scope');
    const login = isPost ? formLogin(form) : basicLogin(request.headers.authorization);
    const refreshed = refreshTokens[form.get('refresh_token') ?? ''];
    const account = refreshed ?? login?.[0];
    this.requests.push({ method: request.method ?? '', scopes, service: form.get('service'), account, form });
    if (!methods.includes(isPost ? 'POST' : 'GET')) return void answer(405)(exchange);
    const isRight = refreshed !== undefined || (login !== undefined && users[login[0]] === login[1]);
    if ((login !== undefined || form.has('refresh_token')) && !isRight) return void answer(401)(exchange);
    const given = (this.#options.grant ?? giveAll)(scopes, account);
    if (given === undefined) return void answer(403, {}, '{"errors":[{"code":"DENIED"}]}')(exchange);
    const token = `token-${randomBytes(12).toString('hex')}`;
    this.#issued.set(token, { scopes: given, account, expires: Date.now() + (this.#options.lifeMs ?? 3_600_000) });
    const { expiresIn = 300 } = this.#options;
    const document = JSON.stringify({ [isPost ? 'access_token' : 'token']: token, expires_in: expiresIn });
    return void answer(200, { 'content-type': 'application/json' }, document)(exchange);
  }
}

function giveAll(scopes: readonly string[], account: string | undefined): readonly string[] {
  return account === undefined ? scopes.map((scope) => scope.replace(/:[^:]*$/, ':pull')) : scopes;
}

function isCovered(scope: string, given: readonly string[]): boolean {
  const [resource, actions] = split(scope);
  return actions.every((action) =>
    given.some((one) => {
      const [name, may] = split(one);
      return name === resource && (may.includes(action) || may.includes('*'));
    }),
  );
}

function split(scope: string): readonly [string, readonly string[]] {
  const colon = scope.lastIndexOf(':');
  return [scope.slice(0, colon), scope.slice(colon + 1).split(',')];
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function formLogin(form: URLSearchParams): readonly [string, string] | undefined {
  const username = form.get('username');
  return username === null ? undefined : [username, form.get('password') ?? ''];
}

function basicLogin(header: string | undefined): readonly [string, string] | undefined {
  const encoded = /^Basic (.+)$/.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [user = '', ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return [user, password.join(':')];
}

/** The scopes that distribution requires: pull to read, push to write, pull from the source to mount, delete to delete. */
export function scopesOf(method: string, path: string): readonly string[] {
  const url = new URL(path, 'http://registry');
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(url.pathname)?.[1];
  if (name === undefined) return [];
  const from = url.searchParams.get('from');
  const actions: Record<string, string> = { GET: 'pull', HEAD: 'pull', DELETE: 'delete' };
  return [
    `repository:${name}:${actions[method] ?? 'pull,push'}`,
    ...(from === null ? [] : [`repository:${from}:pull`]),
  ];
}

export interface GuardOptions {
  readonly service?: string;
  /** Send the challenge with every 401, or only with that of `/v2/`. Default: always. */
  readonly challenges?: 'always' | 'ping';
  /** Text before the challenge in the same header. */
  readonly before?: string;
  /** The status for insufficient scopes. Default: 401. */
  readonly denial?: 401 | 403;
  /** Omit `error` in the challenge. */
  readonly silent?: boolean;
  /** The realm in the challenge. Default: the URL of the service. */
  readonly realm?: () => string;
  /** Replaces the required scopes. */
  readonly asks?: (scopes: readonly string[]) => readonly string[];
}

/** Lets a proxy forward only requests with a sufficient token. */
export function guard(proxy: RecordingProxy, tokens: TokenService, options: GuardOptions = {}): void {
  const { service = 'registry.test', challenges = 'always', before = '', denial = 401, silent = false } = options;
  const { realm = () => tokens.realm, asks } = options;
  proxy.on(/^[A-Z]+ \/v2\//, (exchange) => {
    const { method, path, headers } = exchange.seen;
    const scopes = scopesOf(method, path);
    const needed = asks?.(scopes) ?? scopes;
    const fault = tokens.fault(headers.authorization, needed);
    if (fault === undefined) return exchange.pass();
    const scope = needed.length === 0 ? '' : `,scope="${needed.join(' ')}"`;
    const error = fault === 'none' || silent ? '' : `,error="${fault}"`;
    const challenge = `${before}Bearer realm="${realm()}",service="${service}"${scope}${error}`;
    const isChallenged = challenges === 'always' || path === '/v2/';
    const status = fault === 'insufficient_scope' ? denial : 401;
    void answer(
      status,
      isChallenged ? { 'www-authenticate': challenge } : {},
      '{"errors":[{"code":"UNAUTHORIZED"}]}',
    )(exchange);
    return undefined;
  });
}
