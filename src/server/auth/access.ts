import type { IncomingMessage } from 'node:http';
import type { Htpasswd } from './htpasswd.ts';
import { RequestError } from '../request-error.ts';
import { basicChallenge, bearerChallenge, unauthorized } from './login-challenge.ts';
import { allows, READ_ALL, WRITE_ALL, type Action, type Right } from './rights.ts';
import { Tokens } from './tokens.ts';

/** The sender of a request, with the sender's rights. */
export interface Caller {
  /** The user name; undefined for a request without a login. */
  readonly user: string | undefined;
  readonly rights: readonly Right[];
  /** Whether the request has valid credentials. A token that was issued without a login is valid too. */
  readonly isKnown: boolean;
}

/** The caller of a request without a login. */
export const nobody: Caller = { user: undefined, rights: [], isKnown: false };

/** The caller of every request to a registry that needs no login. */
export const everybody: Caller = { user: undefined, rights: WRITE_ALL, isKnown: true };

export interface AccessOptions {
  /** The users of the registry. If undefined, everybody may read and write. */
  readonly users: Htpasswd | undefined;
  readonly anonymousPull: boolean;
  readonly isTls: boolean;
}

/**
 * Decides who may read and write. Credentials are accepted by Basic authentication. If everybody may read, the registry
 * also issues bearer tokens: many clients choose the kind of login by the response to `/v2/`, and with a Basic
 * challenge they would not pull without a login (docs/decisions/0094-anonymous-pulls.md).
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
   * @throws RequestError 401 for wrong credentials, or for missing ones if they are required
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
   * Checks that a request for `/v2/` has valid credentials, even if everybody may read: clients learn from a response
   * with status 401 how to log in.
   * @throws RequestError 401
   */
  checkKnown(request: IncomingMessage, { isKnown }: Caller): void {
    if (!isKnown) throw this.#unauthorized(request);
  }

  /**
   * Checks that the caller may do something with a repository.
   * @throws RequestError 401 without a login, 403 if the user does not have the right
   */
  checkRight(request: IncomingMessage, { user, rights }: Caller, action: Action, name: string): void {
    if (allows(rights, action, name)) return;
    if (user === undefined) throw this.#unauthorized(request, `repository:${name}:${scopes[action]}`);
    throw new RequestError(403, { code: 'DENIED', message: `this user may not ${action} ${name}`, detail: name });
  }

  /**
   * Issues a token for the caller; undefined if this registry issues none. A token cannot be used to get another token:
   * otherwise, somebody with a stolen token could renew it forever.
   * @throws RequestError 401 for a caller with a token
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
   * Returns a challenge: for a bearer token if the request is for `/v2/` or has an invalid token, otherwise for a user
   * name and password. The realm has the scheme that the client uses, even behind a proxy that terminates TLS.
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

/** Whether a request has credentials. Some clients without a login send an empty user name and password. */
function hasCredentials(authorization: string | undefined): boolean {
  return authorization !== undefined && !/^Basic +Og== *$/i.test(authorization);
}
