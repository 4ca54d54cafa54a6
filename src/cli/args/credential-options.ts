import { resolve } from 'node:path';
import type { StoredCredentialsOptions } from '../../store/registry/credentials/stored-credentials.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';

/** The options for reading and storing credentials: the environment, and `--authfile`. */
export function credentialOptions(
  args: ParsedArguments,
  context: Pick<Context, 'env' | 'home' | 'platform' | 'uid' | 'cwd' | 'signal' | 'waiting' | 'onEvent'>,
): StoredCredentialsOptions {
  const { env, home, platform, uid, cwd, signal, waiting, onEvent } = context;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  return { env, home, platform, uid, authFile: pathOption(args, 'authfile', cwd), signal, waiting, onWarning };
}

/** The path in an option, resolved against the current folder. */
export function pathOption(args: ParsedArguments, name: string, cwd: string): string | undefined {
  const path = args.text(name);
  return path === undefined ? undefined : resolve(cwd, path);
}
