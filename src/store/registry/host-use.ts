import { asMlistError } from '../../errors/errors.ts';
import type { Authorizer } from './auth/auth.ts';

/** A host that a command contacts, and the login that it would receive. */
export interface HostUse {
  /** As references name it, or the host of a mirror. */
  readonly host: string;
  readonly access: 'read' | 'write';
  /** Whether it serves the content of another registry. */
  readonly isMirror: boolean;
  /**
   * stored: the host receives it if it requires a login. none: there is no login for it. not-allowed: it is not one of the
   * allowed registries. unreadable: the file or helper with the login fails.
   */
  readonly login: 'stored' | 'none' | 'not-allowed' | 'unreadable';
  /** The files, variables and helpers with the login. Empty if the source of the credentials names no place. */
  readonly places: readonly string[];
  /** The host of the token service that receives the login in place of the registry; undefined until the registry names one. */
  readonly tokenService?: string;
  /** Why the login is unreadable. */
  readonly problem?: string;
}

/** A connection of a session. */
export interface Contact {
  readonly host: string;
  readonly isMirror: boolean;
  readonly isAllowed: boolean;
  readonly authorizer: Authorizer;
}

/** Looks up the logins of a connection, without a request. */
export async function useOf({ host, isMirror, isAllowed, authorizer }: Contact): Promise<HostUse> {
  const { tokenService, writes } = authorizer;
  const access = writes ? ('write' as const) : ('read' as const);
  const facts = { host, access, isMirror, places: [], ...(tokenService === undefined ? {} : { tokenService }) };
  if (!isAllowed) return { ...facts, login: 'not-allowed' };
  try {
    const logins = await authorizer.logins();
    const places = [...new Set(logins.flatMap(({ place }) => place ?? []))];
    return { ...facts, places, login: logins.length === 0 ? 'none' : 'stored' };
  } catch (thrown) {
    return { ...facts, login: 'unreadable', problem: asMlistError(thrown).message };
  }
}
