import { resolve } from 'node:path';
import type { StoredCredentialsOptions } from '../content/registry/stored-credentials.ts';
import type { Context } from './context.ts';
import type { Invocation } from './language.ts';

/** Where credentials are looked for and kept. */
export function credentialStore(
  invocation: Invocation,
  context: Pick<Context, 'env' | 'home' | 'platform' | 'uid' | 'cwd' | 'signal' | 'waiting' | 'onEvent'>,
): StoredCredentialsOptions {
  const { env, home, platform, uid, cwd, signal, waiting, onEvent } = context;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  return { env, home, platform, uid, authFile: pathOption(invocation, 'authfile', cwd), signal, waiting, onWarning };
}

/** A path that an option names, from the current folder on. */
export function pathOption(invocation: Invocation, name: string, cwd: string): string | undefined {
  const path = invocation.text(name);
  return path === undefined ? undefined : resolve(cwd, path);
}
