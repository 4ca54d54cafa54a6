import type { Htpasswd } from '../auth/htpasswd.ts';
import type { Limits } from '../limits/server-limits.ts';
import { basicChallenge, unauthorized } from '../auth/login-challenge.ts';
import type { Fault } from './fault.ts';
import type { FaultInjector } from './inject-faults.ts';
import type { CheckLogin, TokenLogin, TokenLoginOptions } from './token-login.ts';

/** Features of the registry that exist only for testing clients. */
export interface TestSwitches {
  readonly faults: FaultInjector | undefined;
  readonly tokens: TokenLogin | undefined;
}

interface SwitchOptions {
  readonly faults?: readonly Fault[] | undefined;
  readonly tokenLogin?: boolean | TokenLoginOptions | undefined;
  readonly tls?: object | undefined;
}

/** Creates the test features that the options enable. The code of the others is not loaded. */
export async function loadTestSwitches(
  { faults, tokenLogin = false, tls }: SwitchOptions,
  limits: Limits,
  users: Htpasswd | undefined,
): Promise<TestSwitches> {
  const parts = {
    checkLogin: users && checkLogin(users),
    limits,
    scheme: tls === undefined ? 'http' : 'https',
  } as const;
  return {
    faults: faults && new (await import('./inject-faults.ts')).FaultInjector(faults),
    tokens:
      tokenLogin === false
        ? undefined
        : new (await import('./token-login.ts')).TokenLogin(tokenLogin === true ? {} : tokenLogin, parts),
  };
}

function checkLogin(users: Htpasswd): CheckLogin {
  return async (authorization) => {
    if ((await users.find(authorization)) === undefined) throw unauthorized(basicChallenge);
  };
}
