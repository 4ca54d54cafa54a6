import { asMlistError } from '../../errors/errors.ts';
import type { Authorizer } from './auth/auth.ts';

/** A host that a command uses, and the credentials that the host may receive. */
export interface HostUse {
  /** The registry as it appears in references, or the host of a mirror. */
  readonly host: string;
  readonly access: 'read' | 'write';
  /** Whether the host is a mirror of another registry. */
  readonly isMirror: boolean;
  /**
   * stored: credentials are stored, and are used if the host requires a login. none: no credentials are stored, or they
   * must not be sent over http. not-allowed: the host is not one of the allowed registries. unreadable: the file or the
   * credential helper that has the credentials cannot be read.
   */
  readonly login: 'stored' | 'none' | 'not-allowed' | 'unreadable';
  /**
   * The files, environment variables and credential helpers from which the credentials are read. Empty if there are no
   * credentials, or if their source does not report where they are stored.
   */
  readonly places: readonly string[];
  /**
   * The host of the token service to which credentials are sent instead of to the registry. Undefined until the
   * registry has sent the address of a token service.
   */
  readonly tokenService?: string;
  /** The error message if `login` is `unreadable`. */
  readonly problem?: string;
}

/** A host for which a session has created a `Connection`. */
export interface Contact {
  readonly host: string;
  readonly isMirror: boolean;
  /** Whether the host may receive credentials. */
  readonly isAllowed: boolean;
  readonly authorizer: Authorizer;
}

/** Describes how a session uses a host. Looks up the credentials, but sends no request to the host. */
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
