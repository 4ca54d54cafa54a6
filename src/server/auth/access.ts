import type { IncomingMessage } from 'node:http';
import type { Htpasswd } from './htpasswd.ts';
import { RequestError } from '../request-error.ts';
import { basicChallenge, bearerChallenge, unauthorized } from './login-challenge.ts';
import { allows, READ_ALL, WRITE_ALL, type Action, type Right } from './rights.ts';
import { Tokens } from './tokens.ts';

/** Who has sent a request, and what they may do. */
export interface Caller {
  /** The user name; undefined without a login. */
  readonly user: string | undefined;
  readonly rights: readonly Right[];
  /** Whether the request has valid credentials, which may be a token for nobody. */
  readonly isKnown: boolean;
}

/** A caller without a login. */
export const nobody: Caller = { user: undefined, rights: [], isKnown: false };

/** A caller of a registry where nobody has to log in. */
export const everybody: Caller = { user: undefined, rights: WRITE_ALL, isKnown: true };

export interface AccessOptions {
  /** Without users, everybody may do everything. */
  readonly users: Htpasswd | undefined;
  readonly anonymousPull: boolean;
  readonly isTls: boolean;
}

/**
 * Decides who may do what. Credentials are accepted by Basic authentication. If everybody may read, the registry also issues
 * bearer tokens: many clients decide on the response to `/v2/` how to log in, and would not read without a login if that
 * asked for Basic authentication (docs/decisions/0094-anonymous-pulls.md).
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

  /** @throws RequestError 401 for wrong credentials, and without any if they are required */
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
   * For `/v2/`, where clients find out how to log in: it is answered with 401 until they have done so, even if everybody may
   * read.
   */
  checkKnown(request: IncomingMessage, { isKnown }: Caller): void {
    if (!isKnown) throw this.#unauthorized(request);
  }

  /** @throws RequestError 401 without a login, 403 if the user has no such right */
  checkRight(request: IncomingMessage, { user, rights }: Caller, action: Action, name: string): void {
    if (allows(rights, action, name)) return;
    if (user === undefined) throw this.#unauthorized(request, `repository:${name}:${scopes[action]}`);
    throw new RequestError(403, { code: 'DENIED', message: `this user may not ${action} ${name}`, detail: name });
  }

  /**
   * A token for the caller; undefined if this registry issues none. A token is not accepted instead of the password: whoever
   * gets hold of one could renew it without end.
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
   * Asks for a bearer token if the request is for `/v2/` or has an invalid token, and otherwise for a user name and password.
   * The scheme of the realm is the one that the client uses, also behind a proxy that ends TLS.
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

/** Some clients without a login send an empty user name and password. */
function hasCredentials(authorization: string | undefined): boolean {
  return authorization !== undefined && !/^Basic +Og== *$/i.test(authorization);
}
