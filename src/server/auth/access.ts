import type { IncomingMessage } from 'node:http';
import type { Htpasswd } from './htpasswd.ts';
import { RequestError } from '../request-error.ts';
import { basicChallenge, bearerChallenge, unauthorized } from './login-challenge.ts';
import { allows, READ_ALL, WRITE_ALL, type Action, type Right } from './rights.ts';
import { Tokens } from './tokens.ts';

/** The sender of a request, with the sender's rights. */
export interface Caller {
  /** The user name; undefined if the client has not logged in. */
  readonly user: string | undefined;
  readonly rights: readonly Right[];
  /** Whether the request has valid credentials, such as a token issued without a login. Always true for `everybody`. */
  readonly isKnown: boolean;
}

/** A caller without credentials. It has no rights. */
export const nobody: Caller = { user: undefined, rights: [], isKnown: false };

/** The caller of all requests but the health check, if the registry has no users or uses `tokenLogin`. */
export const everybody: Caller = { user: undefined, rights: WRITE_ALL, isKnown: true };

export interface AccessOptions {
  /** The users of the registry. If undefined, everybody may read and write. */
  readonly users: Htpasswd | undefined;
  readonly anonymousPull: boolean;
  readonly isTls: boolean;
}

/**
 * Decides who may read and write. Clients log in with Basic authentication. With `anonymousPull`, the registry also
 * issues bearer tokens: many clients choose the authentication scheme from the response to `/v2/`, and would not pull
 * without a login after a Basic challenge (docs/decisions/0094-anonymous-pulls.md).
 */
export class Access {
  readonly #users: Htpasswd | undefined;
  readonly #tokens: Tokens | undefined;
  readonly #isTls: boolean;

  constructor({ users, anonymousPull, isTls }: AccessOptions) {
    this.#users = users;
    this.#isTls = isTls;
    if (users !== undefined && anonymousPull) this.#tokens = new Tokens();
  }

  /**
   * Identifies the sender of a request.
   * @throws RequestError 401 if the credentials are wrong, or if they are required and missing; 429 if too many logins
   *   are pending
   */
  async identify(request: IncomingMessage): Promise<Caller> {
    const { authorization } = request.headers;
    if (this.#users === undefined) return everybody;
    if (this.#tokens !== undefined && !hasCredentials(authorization)) return { ...nobody, rights: READ_ALL };
    const token = bearerToken.exec(authorization ?? '')?.[1];
    const caller = token === undefined ? await this.#users.find(authorization) : this.#ownerOf(token);
    if (caller === undefined) throw this.#unauthorized(request);
    return { ...caller, isKnown: true };
  }

  /**
   * Checks that a request for `/v2/` has valid credentials, even if anonymous pulls are permitted: the challenge in the
   * response with status 401 states how clients can log in.
   * @throws RequestError 401 if the request has no valid credentials
   */
  checkKnown(request: IncomingMessage, { isKnown }: Caller): void {
    if (!isKnown) throw this.#unauthorized(request);
  }

  /**
   * Checks that the caller has the right to read or write a repository.
   * @throws RequestError if the caller does not have the right: 401 without a login, 403 otherwise
   */
  checkRight(request: IncomingMessage, { user, rights }: Caller, action: Action, name: string): void {
    if (allows(rights, action, name)) return;
    if (user === undefined) throw this.#unauthorized(request, `repository:${name}:${scopes[action]}`);
    throw new RequestError(403, {
      code: 'DENIED',
      message: `user ${JSON.stringify(user)} has no ${action} access to ${name}`,
      detail: name,
    });
  }

  /**
   * Issues a token for the caller, or returns undefined if this registry does not issue tokens. A token cannot be used
   * to get another token: otherwise, a stolen token could be renewed forever.
   * @throws RequestError 401 if the caller has authenticated with a token
   */
  tokenFor({ headers }: IncomingMessage, { user }: Caller): string | undefined {
    if (this.#tokens !== undefined && bearerToken.test(headers.authorization ?? ''))
      throw unauthorized(basicChallenge, 'a token cannot be renewed: send the user name and password');
    return this.#tokens?.issue(user);
  }

  #ownerOf(token: string): Pick<Caller, 'user' | 'rights'> | undefined {
    const owner = this.#tokens?.find(token);
    if (owner === undefined) return undefined;
    const { user } = owner;
    const rights = user === undefined ? READ_ALL : this.#users?.rightsOf(user);
    return rights === undefined ? undefined : { user, rights };
  }

  /**
   * Returns an error with status 401 and a challenge for Basic authentication. If the registry issues tokens, requests
   * for `/v2/` and requests with a token get a challenge for a bearer token instead. Its realm has the scheme that the
   * client uses, even behind a proxy that terminates TLS and sends `X-Forwarded-Proto`.
   */
  #unauthorized({ headers, url = '' }: IncomingMessage, scope?: string): RequestError {
    const { host, authorization = '', 'x-forwarded-proto': forwarded } = headers;
    const usesTokens = this.#tokens !== undefined && (/^\/v2\/?(?:\?|$)/.test(url) || bearerToken.test(authorization));
    const scheme = this.#isTls || forwarded === 'https' ? 'https' : 'http';
    return unauthorized(usesTokens ? bearerChallenge({ scheme, host, scope }) : basicChallenge);
  }
}

const bearerToken = /^Bearer +(\S+)$/i;

const scopes = { read: 'pull', write: 'pull,push' } as const;

/** Whether a request has credentials. Some clients send an empty user name and password if they are not logged in. */
function hasCredentials(authorization: string | undefined): boolean {
  return authorization !== undefined && !/^Basic +Og== *$/i.test(authorization);
}
