import { MlistError } from '../../errors.ts';
import { loginText, refusedLoginHint, type Credentials } from './credentials.ts';
import type { Answer } from './answer.ts';

/** Asking a token service (distribution, docs "Token Authentication" and "OAuth2 Token Authentication"). */
export interface TokenRequest {
  /** As named in references. */
  readonly registry: string;
  readonly realm: URL;
  readonly service: string | undefined;
  /** `repository:NAME:pull,push`, the most wanted first: some services honour only the first. */
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
}

export interface Token {
  readonly value: string;
  /** By the clock of `performance.now()`, with a margin. */
  readonly expires: number;
}

/** One exchange with the token service, body read. */
export type SendToken = (call: {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}) => Promise<{ readonly status: number; readonly headers: Answer['headers']; readonly bytes: Uint8Array }>;

const CLIENT_ID = 'mlist';
const SHORTEST_LIFE_S = 60;
const MARGIN_S = 10;

/** Answers of a service that does not know this way of asking. */
const unknownWay = new Set([404, 405, 501]);

/**
 * Gets a token: by POST with a refresh token, else by GET with Basic credentials or none; by POST with the password
 * where the service does not know GET.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` where the service refuses, `ERR_MLIST_REGISTRY` where its answer is no token
 */
export async function fetchToken(request: TokenRequest, send: SendToken): Promise<Token> {
  const { credentials } = request;
  if (credentials?.type === 'identity') {
    const answer = await post(request, send, { grant_type: 'refresh_token', refresh_token: credentials.token });
    if (unknownWay.has(answer.status)) throw noRefresh(request, answer.status);
    return read(request, answer);
  }
  const answer = await send({ method: 'GET', url: getUrl(request), headers: basicHeader(credentials) });
  if (!unknownWay.has(answer.status) || credentials?.type !== 'basic') return read(request, answer);
  const { username, password } = credentials;
  return read(request, await post(request, send, { grant_type: 'password', username, password }));
}

function noRefresh({ registry, realm, credentials }: TokenRequest, status: number): MlistError {
  const login = loginText(registry, credentials?.place);
  return new MlistError(
    'ERR_MLIST_UNAUTHORIZED',
    `the token service ${realm.host} does not take identity tokens, and ${login} is one (HTTP ${status})`,
    { status, hint: `Log in with a user name and a password: "mlist login ${registry}".` },
  );
}

type Sent = Awaited<ReturnType<SendToken>>;

function post(
  { realm, service, scopes }: TokenRequest,
  send: SendToken,
  grant: Readonly<Record<string, string>>,
): Promise<Sent> {
  const form = new URLSearchParams({ ...grant, client_id: CLIENT_ID, ...(service === undefined ? {} : { service }) });
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  return send({
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
  });
}

/** The realm keeps a query of its own. */
function getUrl({ realm, service, scopes, credentials }: TokenRequest): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.append('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  url.searchParams.append('client_id', CLIENT_ID);
  if (credentials?.type === 'basic') url.searchParams.append('account', credentials.username);
  return url;
}

export function basicHeader(credentials: Credentials | undefined): Readonly<Record<string, string>> {
  if (credentials?.type !== 'basic') return {};
  const { username, password } = credentials;
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

function read(request: TokenRequest, { status, bytes }: Sent): Token {
  const { realm } = request;
  if (status !== 200) throw noGrant(request, status);
  const { token, access_token: access, expires_in: life } = parse(realm, bytes);
  const value = typeof access === 'string' && access !== '' ? access : token;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw noToken(realm);
  const seconds = Math.max(typeof life === 'number' ? life : 0, SHORTEST_LIFE_S) - MARGIN_S;
  return { value, expires: performance.now() + seconds * 1000 };
}

function noGrant({ registry, realm, credentials }: TokenRequest, status: number): MlistError {
  const isRefusal = status >= 400 && status < 500 && status !== 429;
  const code = isRefusal ? 'ERR_MLIST_UNAUTHORIZED' : 'ERR_MLIST_REGISTRY';
  const service = `the token service ${realm.host}`;
  if (credentials === undefined) {
    const message = `${service} gives no token for ${registry} without a login (HTTP ${status})`;
    return new MlistError(code, message, { status, hint: `Log in with "mlist login ${registry}".` });
  }
  const login = loginText(registry, credentials.place);
  const message = isRefusal ? `${service} does not accept ${login}` : `${service} gives no token for ${login}`;
  const hint = isRefusal ? refusedLoginHint(registry, credentials.place) : 'Try again later.';
  return new MlistError(code, `${message} (HTTP ${status})`, { status, hint });
}

interface TokenAnswer {
  readonly token?: unknown;
  readonly access_token?: unknown;
  readonly expires_in?: unknown;
}

function parse(realm: URL, bytes: Uint8Array): TokenAnswer {
  try {
    const answer: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof answer === 'object' && answer !== null ? answer : {};
  } catch {
    throw noToken(realm);
  }
}

function noToken(realm: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `the answer of the token service ${realm.host} holds no token`);
}
