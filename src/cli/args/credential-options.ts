import { resolve } from 'node:path';
import type { StoredCredentialsOptions } from '../../store/registry/credentials/stored-credentials.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';

/** Returns the options for reading and storing credentials, according to the environment and `--authfile`. */
export function credentialOptions(
  args: ParsedArguments,
  context: Pick<Context, 'env' | 'home' | 'platform' | 'uid' | 'cwd' | 'signal' | 'waiting' | 'onEvent'>,
): StoredCredentialsOptions {
  const { env, home, platform, uid, cwd, signal, waiting, onEvent } = context;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  return { env, home, platform, uid, authFile: pathOption(args, 'authfile', cwd), signal, waiting, onWarning };
}

/** Resolves the path in an option against the current folder. Returns undefined if the option is not given. */
export function pathOption(args: ParsedArguments, name: string, cwd: string): string | undefined {
  const path = args.text(name);
  return path === undefined ? undefined : resolve(cwd, path);
}
