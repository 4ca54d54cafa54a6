import type { Htpasswd } from '../htpasswd.ts';
import { RequestError } from '../request-error.ts';
import { allows, READ_ALL, WRITE_ALL, type Action, type Right } from './rights.ts';

/** Who has sent a request, and what they may do. */
export interface Caller {
  /** The user name; undefined without a login. */
  readonly user: string | undefined;
  readonly rights: readonly Right[];
}

export interface AccessOptions {
  /** Without users, everybody may do everything. */
  readonly users: Htpasswd | undefined;
  readonly anonymousPull: boolean;
}

/** Decides who may do what. */
export class Access {
  readonly #users: Htpasswd | undefined;
  readonly #anonymous: Caller | undefined;

  constructor({ users, anonymousPull }: AccessOptions) {
    this.#users = users;
    if (users === undefined) this.#anonymous = { user: undefined, rights: WRITE_ALL };
    else if (anonymousPull) this.#anonymous = { user: undefined, rights: READ_ALL };
  }

  /** @throws RequestError 401 for wrong credentials, and without any if they are required */
  async identify(authorization: string | undefined): Promise<Caller> {
    const isAnonymous = this.#users === undefined || authorization === undefined;
    const caller = isAnonymous ? this.#anonymous : await this.#users.find(authorization);
    if (caller === undefined) throw loginRequired();
    return caller;
  }

  /**
   * Answers `/v2/` with 401 unless the caller has logged in, even if anonymous reads are allowed: clients decide on this
   * response whether to send their credentials with later requests.
   */
  checkLogin({ user }: Caller): void {
    if (this.#users !== undefined && user === undefined) throw loginRequired();
  }
}

/** @throws RequestError 401 without a login, 403 if the user has no such right */
export function checkRight({ user, rights }: Caller, action: Action, name: string): void {
  if (allows(rights, action, name)) return;
  if (user === undefined) throw loginRequired();
  throw new RequestError(403, { code: 'DENIED', message: `this user may not ${action} ${name}`, detail: name });
}

function loginRequired(): RequestError {
  const challenge = { 'www-authenticate': 'Basic realm="mlist", charset="UTF-8"' };
  return new RequestError(401, { code: 'UNAUTHORIZED', message: 'user name and password required' }, challenge);
}
