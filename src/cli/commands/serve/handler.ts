import { resolve } from 'node:path';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import { hashPassword } from '../../../server/htpasswd.ts';
import { startRegistry } from '../../../server/start-registry.ts';
import type { Context } from '../../context.ts';
import { garbageOptions } from '../../args/garbage-options.ts';
import { removalText } from '../gc/handler.ts';
import type { CollectionOptions } from '../../../server/garbage/periodic-collection.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readInputFile } from '../../args/input-file.ts';
import { ask, readPassword } from '../../password-input.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const user = args.text('hash-password');
  if (user !== undefined) return printEntry(user, args, context);
  if (args.flag('password-stdin')) throw new MlistError('ERR_MLIST_USAGE', '--password-stdin needs --hash-password');
  return serve(args, context);
}

async function printEntry(user: string, args: ParsedArguments, context: Context): Promise<number> {
  const unused = ['addr', 'dir', 'gc', 'read-only', 'tls-cert', 'tls-key', 'htpasswd'].find((name) => args.has(name));
  if (unused !== undefined)
    throw new MlistError('ERR_MLIST_USAGE', `--hash-password and --${unused} cannot be used together`);
  const password = await readPassword(user, args, context);
  if (!args.flag('password-stdin')) await confirm(password, user, args, context);
  const hash = await hashPassword(user, password);
  if (context.output.json) context.output.document({ user, hash });
  else context.output.line(`${user}:${hash}`);
  return 0;
}

/** Prompts again, because a typing error would be noticed only at the first login. */
async function confirm(password: string, user: string, args: ParsedArguments, context: Context): Promise<void> {
  const question = { what: 'password', question: 'Repeat the password: ', option: '--password-stdin', hidden: true };
  if ((await ask(question, user, args, context)) !== password)
    throw new MlistError('ERR_MLIST_USAGE', 'the passwords do not match');
}

/** Serves until the process is interrupted, and then returns 0. */
async function serve(args: ParsedArguments, context: Context): Promise<number> {
  const { output, cwd, signal, onEvent } = context;
  const dir = args.text('dir');
  const htpasswd = args.text('htpasswd');
  const registry = await startRegistry({
    address: args.text('addr') ?? '127.0.0.1:5000',
    dir: dir === undefined ? undefined : resolve(cwd, dir),
    readOnly: args.flag('read-only'),
    gc: collectionOptions(args, context),
    tls: await readTls(args, context),
    htpasswd: htpasswd === undefined ? undefined : resolve(cwd, htpasswd),
    signal,
    onRequest: ({ method, path, status, milliseconds, fault }) => {
      output.request?.({ type: 'request', method, url: path, status, milliseconds });
      if (fault === undefined) return;
      onEvent({ type: 'warning', message: `${method} ${path} failed with ${status}: ${errorMessage(fault)}` });
    },
  });
  if (output.json) output.document({ url: registry.url });
  else output.line(registry.url);
  if (!signal.aborted) await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
  await registry.close();
  return 0;
}

/** Removals are reported like warnings, because stdout has only the URL. */
function collectionOptions(args: ParsedArguments, { onEvent }: Context): CollectionOptions | undefined {
  const unused = ['grace', 'delete-untagged'].find((name) => args.has(name));
  if (!args.flag('gc')) {
    if (unused === undefined) return undefined;
    throw new MlistError('ERR_MLIST_USAGE', `--${unused} needs --gc`);
  }
  if (!args.has('dir')) throw new MlistError('ERR_MLIST_USAGE', '--gc needs --dir');
  if (args.flag('read-only')) throw new MlistError('ERR_MLIST_USAGE', '--gc and --read-only cannot be used together');
  return {
    ...garbageOptions(args),
    onRemoved: (removed) => onEvent({ type: 'note', message: removalText(removed) }),
    onFailure: (name, error) =>
      onEvent({ type: 'warning', message: `${name} was not collected: ${errorMessage(error)}` }),
  };
}

async function readTls(
  args: ParsedArguments,
  context: Context,
): Promise<{ readonly cert: Uint8Array; readonly key: Uint8Array } | undefined> {
  const [cert, key] = [args.text('tls-cert'), args.text('tls-key')];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new MlistError('ERR_MLIST_USAGE', '--tls-cert and --tls-key must be used together');
  return { cert: await readInputFile(cert, context), key: await readInputFile(key, context) };
}
