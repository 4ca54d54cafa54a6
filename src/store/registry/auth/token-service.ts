import { MlistError } from '../../../errors/errors.ts';
import { loginText, refusedLoginHint, type Credentials } from '../credentials/credentials.ts';
import type { HttpResponse } from '../http/response.ts';
import { describeDiagnostic, readRegistryError } from '../registry-error.ts';
import { isTransientStatus, parseRetryAfter, waitText } from '../http/retry.ts';

/** A request for a token (distribution, docs "Token Authentication" and "OAuth2 Token Authentication"). */
export interface TokenRequest {
  /** The registry as it appears in references, such as `docker.io`. */
  readonly registry: string;
  readonly realm: URL;
  readonly service: string | undefined;
  /**
   * Scopes such as `repository:NAME:pull,push`, the most important one first, because some services use only the first
   * one.
   */
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /**
   * Whether Basic authentication cannot replace the token. If so, the request is retried after a 404 or 405, which a
   * proxy in front of the token service may have sent.
   */
  readonly isOnlyLogin: boolean;
  readonly redact: (text: string) => string;
  /** Called with every token in a response, to keep it out of messages. */
  readonly keepSecret: (token: string) => void;
}

export interface Token {
  readonly value: string;
  /**
   * The time at which the cache stops using the token, shortly before it expires, in milliseconds of
   * `performance.now()`.
   */
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
  /** Sends a request to the token service, with retries, and reads the response. */
  readonly send: (call: TokenHttpRequest) => Promise<TokenResponse>;
  /** Maximum number of retries of a token request after 404 or 405. */
  readonly retries: number;
  /** Waits before the next attempt. */
  readonly pause: (attempt: number) => Promise<void>;
}

const CLIENT_ID = 'mlist';
/** The minimum lifetime of a token in seconds (distribution, docs "Token Authentication"). */
const MIN_LIFETIME_S = 60;
/** A token is replaced this many seconds before it expires. */
const EXPIRY_MARGIN_S = 10;

/**
 * Statuses that mean that a token service does not support the method of a request. A 404 or 405 may also come from a
 * proxy in front of the service.
 */
const unsupported = new Set([404, 405, 501]);

/**
 * Requests a token. An identity token is sent by POST. Otherwise the request is a GET, with or without Basic
 * credentials; if the service does not support GET, the password is sent by POST.
 * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if the service refuses the credentials or anonymous access;
 * `ERR_MLIST_REGISTRY` if it responds with another error, or without a valid token
 */
export async function fetchToken(request: TokenRequest, sender: TokenSender): Promise<Token> {
  const { send, retries, pause } = sender;
  for (let attempt = 1; ; attempt += 1) {
    const response = await requestToken(request, send);
    const isNotFound = response.status === 404 || response.status === 405;
    if (!isNotFound || !request.isOnlyLogin || attempt > retries) return readToken(request, response);
    await pause(attempt);
  }
}

async function requestToken(request: TokenRequest, send: TokenSender['send']): Promise<TokenResponse> {
  const { credentials } = request;
  if (credentials?.type === 'identity')
    return post(request, send, { grant_type: 'refresh_token', refresh_token: credentials.token });
  const response = await send({ method: 'GET', url: tokenUrl(request), headers: basicHeader(credentials) });
  if (!unsupported.has(response.status) || credentials?.type !== 'basic') return response;
  const { username, password } = credentials;
  return post(request, send, { grant_type: 'password', username, password });
}

function identityTokenRefused({ registry, realm, credentials }: TokenRequest, status: number): MlistError {
  const used = loginText(registry, credentials?.place);
  return new MlistError(
    'ERR_MLIST_UNAUTHORIZED',
    `the token service ${realm.host} does not support identity tokens, but ${used} are an identity token (HTTP ${status})`,
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

/** Returns the URL of the GET request. Keeps the query parameters of the realm. */
function tokenUrl({ realm, service, scopes, credentials }: TokenRequest): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.append('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  url.searchParams.append('client_id', CLIENT_ID);
  if (credentials?.type === 'basic') url.searchParams.append('account', credentials.username);
  return url;
}

/** Returns an object with the `authorization` header for Basic credentials, otherwise an empty object. */
export function basicHeader(credentials: Credentials | undefined): Readonly<Record<string, string>> {
  if (credentials?.type !== 'basic') return {};
  const { username, password } = credentials;
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

function readToken(request: TokenRequest, response: TokenResponse): Token {
  const { realm, credentials, keepSecret } = request;
  const { status, bytes } = response;
  if (credentials?.type === 'identity' && unsupported.has(status)) throw identityTokenRefused(request, status);
  if (status !== 200) throw tokenRefused(request, response);
  const document = parse(realm, bytes);
  tokensIn(document).forEach(keepSecret);
  const { token, access_token: access, expires_in: lifetime } = document;
  const value = typeof access === 'string' && access !== '' ? access : token;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw noToken(realm);
  const seconds = Math.max(typeof lifetime === 'number' ? lifetime : 0, MIN_LIFETIME_S) - EXPIRY_MARGIN_S;
  return { value, expires: performance.now() + seconds * 1000 };
}

function tokenRefused({ registry, realm, credentials, redact }: TokenRequest, response: TokenResponse): MlistError {
  const { status, headers, bytes } = response;
  const service = `the token service ${realm.host}`;
  const diagnostics = readRegistryError(bytes, redact);
  const facts = [`HTTP ${status}`, diagnostics.map(describeDiagnostic).join('; ')].filter(Boolean).join(', ');
  const refused = (message: string, hint: string) =>
    new MlistError('ERR_MLIST_UNAUTHORIZED', `${service} ${message} (${facts})`, { status, diagnostics, hint });
  if (![400, 401, 403].includes(status)) {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
    const later = retryAfterMs === undefined ? '' : ` and asks clients to wait ${waitText(retryAfterMs)}`;
    const message = `${service} did not issue a token for ${registry}${later} (${facts})`;
    const hint = isTransientStatus(status) ? 'Try again later.' : undefined;
    const details = { status, retryAfterMs, diagnostics, hint };
    return new MlistError('ERR_MLIST_REGISTRY', message, details);
  }
  if (credentials === undefined)
    return refused(`did not issue an anonymous token for ${registry}`, `Log in with "mlist login ${registry}".`);
  const { place } = credentials;
  return refused(`does not accept ${loginText(registry, place)}`, refusedLoginHint(registry, place));
}

interface TokenDocument {
  readonly token?: unknown;
  readonly access_token?: unknown;
  readonly expires_in?: unknown;
}

function parse(realm: URL, bytes: Uint8Array): TokenDocument {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof document === 'object' && document !== null ? document : {};
  } catch {
    throw noToken(realm);
  }
}

/** Returns all tokens in a response, including refresh tokens and identity tokens. */
function tokensIn(document: TokenDocument): readonly string[] {
  return Object.entries(document).flatMap(([name, value]: [string, unknown]) =>
    /token$/i.test(name) && typeof value === 'string' ? [value] : [],
  );
}

function noToken(realm: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `the token service ${realm.host} sent a response without a valid token`);
}
