import { MlistError } from '../../../errors/errors.ts';
import { loginText, refusedLoginHint, type Credentials } from '../credentials/credentials.ts';
import type { HttpResponse } from '../http/response.ts';
import { describeDiagnostic, readRegistryError } from '../registry-error.ts';
import { parseRetryAfter, waitText } from '../http/retry.ts';

/** Asking a token service (distribution, docs "Token Authentication" and "OAuth2 Token Authentication"). */
export interface TokenRequest {
  /** As named in references. */
  readonly registry: string;
  readonly realm: URL;
  readonly service: string | undefined;
  /** `repository:NAME:pull,push`, the most wanted first: some services honour only the first. */
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** There is no other way to log in: a service that answers 404 or 405 is asked again. */
  readonly isOnlyWay: boolean;
  readonly redact: (text: string) => string;
  /** Is given every token of an answer, so that no message shows it later. */
  readonly keepSecret: (token: string) => void;
}

export interface Token {
  readonly value: string;
  /** By the clock of `performance.now()`, with a margin. */
  readonly expires: number;
}

export interface TokenHttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface TokenResponse {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  readonly bytes: Uint8Array;
}

export interface TokenSender {
  /** One exchange with the token service, body read; repeated after faults that are not specific to token services. */
  readonly send: (call: TokenHttpRequest) => Promise<TokenResponse>;
  /** Further tries of a token request. */
  readonly retries: number;
  /** Waits before the next try. */
  readonly pause: (tries: number) => Promise<void>;
}

const CLIENT_ID = 'mlist';
const SHORTEST_LIFE_S = 60;
const MARGIN_S = 10;

/** Answers of a service that does not know this way of asking. A proxy in front of it may give 404 and 405 as well. */
const unknownWay = new Set([404, 405, 501]);

/**
 * Gets a token: by POST with a refresh token, else by GET with Basic credentials or none; by POST with the password
 * where the service does not know GET. After 404 or 405 to all of them, the request is repeated.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` where the service refuses, `ERR_MLIST_REGISTRY` where its answer is no token
 */
export async function fetchToken(request: TokenRequest, sender: TokenSender): Promise<Token> {
  const { send, retries, pause } = sender;
  for (let tries = 1; ; tries += 1) {
    const reply = await ask(request, send);
    const isRepeated = request.isOnlyWay && tries <= retries;
    const isAskedAgain = isRepeated && (reply.status === 404 || reply.status === 405);
    if (!isAskedAgain) return read(request, reply);
    await pause(tries);
  }
}

async function ask(request: TokenRequest, send: TokenSender['send']): Promise<TokenResponse> {
  const { credentials } = request;
  if (credentials?.type === 'identity')
    return post(request, send, { grant_type: 'refresh_token', refresh_token: credentials.token });
  const reply = await send({ method: 'GET', url: getUrl(request), headers: basicHeader(credentials) });
  if (!unknownWay.has(reply.status) || credentials?.type !== 'basic') return reply;
  const { username, password } = credentials;
  return post(request, send, { grant_type: 'password', username, password });
}

function noRefresh({ registry, realm, credentials }: TokenRequest, status: number): MlistError {
  const login = loginText(registry, credentials?.place);
  return new MlistError(
    'ERR_MLIST_UNAUTHORIZED',
    `the token service ${realm.host} does not take identity tokens, and ${login} is one (HTTP ${status})`,
    { status, hint: `Log in with a user name and a password: "mlist login ${registry}".` },
  );
}

function post(
  { realm, service, scopes }: TokenRequest,
  send: TokenSender['send'],
  grant: Readonly<Record<string, string>>,
): Promise<TokenResponse> {
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

function read(request: TokenRequest, reply: TokenResponse): Token {
  const { realm, credentials, keepSecret } = request;
  const { status, bytes } = reply;
  if (credentials?.type === 'identity' && unknownWay.has(status)) throw noRefresh(request, status);
  if (status !== 200) throw noGrant(request, reply);
  const answer = parse(realm, bytes);
  tokensIn(answer).forEach(keepSecret);
  const { token, access_token: access, expires_in: life } = answer;
  const value = typeof access === 'string' && access !== '' ? access : token;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw noToken(realm);
  const seconds = Math.max(typeof life === 'number' ? life : 0, SHORTEST_LIFE_S) - MARGIN_S;
  return { value, expires: performance.now() + seconds * 1000 };
}

function noGrant({ registry, realm, credentials, redact }: TokenRequest, reply: TokenResponse): MlistError {
  const { status, headers, bytes } = reply;
  const service = `the token service ${realm.host}`;
  const diagnostics = readRegistryError(bytes, redact);
  const answer = [`HTTP ${status}`, diagnostics.map(describeDiagnostic).join('; ')].filter(Boolean).join(', ');
  const refused = (message: string, hint: string) =>
    new MlistError('ERR_MLIST_UNAUTHORIZED', `${service} ${message} (${answer})`, { status, diagnostics, hint });
  if (![400, 401, 403].includes(status)) {
    const wait = parseRetryAfter(headers['retry-after'], Date.now());
    const later = wait === undefined ? '' : ` and asks to wait for ${waitText(wait)}`;
    const message = `${service} gives no token for ${registry}${later} (${answer})`;
    const facts = { status, retryAfterMs: wait, diagnostics, hint: 'Try again later.' };
    return new MlistError('ERR_MLIST_REGISTRY', message, facts);
  }
  if (credentials === undefined)
    return refused(`gives no token for ${registry} without a login`, `Log in with "mlist login ${registry}".`);
  const { place } = credentials;
  return refused(`does not accept ${loginText(registry, place)}`, refusedLoginHint(registry, place));
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

/** Beside the token itself, a service may send a refresh token or an identity token. */
function tokensIn(answer: TokenAnswer): readonly string[] {
  return Object.entries(answer).flatMap(([name, value]: [string, unknown]) =>
    /token$/i.test(name) && typeof value === 'string' ? [value] : [],
  );
}

function noToken(realm: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `the answer of the token service ${realm.host} holds no token`);
}
