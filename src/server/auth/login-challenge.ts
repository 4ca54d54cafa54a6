import { RequestError } from '../request-error.ts';

/** This file creates errors with status 401. Their header `WWW-Authenticate` states how to log in. */

/** The path at which the registry issues tokens. */
export const TOKEN_PATH = '/token';

/** The challenge for a user name and a password (RFC 7617). */
export const basicChallenge = 'Basic realm="mlist", charset="UTF-8"';

interface BearerParts {
  readonly scheme: 'http' | 'https';
  /** The Host header of the request. */
  readonly host: string | undefined;
  /** The scope of the token, such as `repository:team/app:pull`. Default: none. */
  readonly scope?: string | undefined;
  /** The reason to add to the challenge if the token of the request was refused. */
  readonly error?: 'insufficient_scope' | 'invalid_token' | undefined;
}

/** Returns the challenge for a token of this registry (distribution, "Token Authentication Specification"). */
export function bearerChallenge({ scheme, host = '', scope, error }: BearerParts): string {
  return [
    `Bearer realm="${scheme}://${host}${TOKEN_PATH}"`,
    `service="${host}"`,
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    ...(error === undefined ? [] : [`error="${error}"`]),
  ].join(',');
}

/**
 * Returns an error with status 401.
 * @param challenge - the value of `WWW-Authenticate`
 */
export function unauthorized(challenge: string, message = 'authentication required'): RequestError {
  return new RequestError(401, { code: 'UNAUTHORIZED', message }, { 'www-authenticate': challenge });
}
