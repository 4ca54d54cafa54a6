import { asMlistError } from '../../errors/errors.ts';
import type { Authorizer } from './auth/auth.ts';

/** A host that a command contacts, and the login that it would receive. */
export interface HostUse {
  /** The host as references name it, or the host of a mirror. */
  readonly host: string;
  readonly access: 'read' | 'write';
  /** Whether the host is a mirror of another registry. */
  readonly isMirror: boolean;
  /**
   * stored: a login is stored, which the host receives if it requires one. none: no login is stored. not-allowed: the
   * host is not one of the allowed registries, so it receives no login. unreadable: the file or helper with the login
   * cannot be read.
   */
  readonly login: 'stored' | 'none' | 'not-allowed' | 'unreadable';
  /** The files, variables and helpers with the login. Empty if the source of the credentials names no place. */
  readonly places: readonly string[];
  /**
   * The host of the token service that receives the login in place of the registry; undefined until the registry names
   * one.
   */
  readonly tokenService?: string;
  /** Why the login is unreadable. */
  readonly problem?: string;
}

/** A connection of a session to one host, with the members that `useOf` reads. */
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
