import { RequestError } from '../request-error.ts';

/** Responses with status 401, and what they ask for in `WWW-Authenticate`. */

/** Where the registry issues tokens. */
export const TOKEN_PATH = '/token';

/** Asks for a user name and a password (RFC 7617). */
export const basicChallenge = 'Basic realm="mlist", charset="UTF-8"';

interface BearerParts {
  readonly scheme: 'http' | 'https';
  /** The Host header of the request. */
  readonly host: string | undefined;
  /** Such as `repository:team/app:pull`. Default: none. */
  readonly scope?: string | undefined;
  /** What is wrong with the token of the request. Default: it had none. */
  readonly error?: 'insufficient_scope' | 'invalid_token' | undefined;
}

/** Asks for a token of this registry (distribution, "Token Authentication Specification"). */
export function bearerChallenge({ scheme, host = '', scope, error }: BearerParts): string {
  return [
    `Bearer realm="${scheme}://${host}${TOKEN_PATH}"`,
    `service="${host}"`,
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    ...(error === undefined ? [] : [`error="${error}"`]),
  ].join(',');
}

/** @param challenge - the value of `WWW-Authenticate` */
export function unauthorized(challenge: string, message = 'user name and password required'): RequestError {
  return new RequestError(401, { code: 'UNAUTHORIZED', message }, { 'www-authenticate': challenge });
}
