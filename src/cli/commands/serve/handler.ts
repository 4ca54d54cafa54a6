import { resolve } from 'node:path';
import { errorMessage, MlistError } from '../../../errors/errors.ts';
import { hashPassword } from '../../../server/htpasswd.ts';
import { startRegistry } from '../../../server/start-registry.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readInputFile } from '../../args/input-file.ts';
import { ask, readPassword } from '../../password-input.ts';

export async function run(invocation: ParsedArguments, context: Context): Promise<number> {
  const user = invocation.text('hash-password');
  if (user !== undefined) return printEntry(user, invocation, context);
  if (invocation.flag('password-stdin'))
    throw new MlistError('ERR_MLIST_USAGE', '--password-stdin needs --hash-password');
  return serve(invocation, context);
}

async function printEntry(user: string, invocation: ParsedArguments, context: Context): Promise<number> {
  const unused = ['addr', 'dir', 'read-only', 'tls-cert', 'tls-key', 'htpasswd'].find((name) => invocation.has(name));
  if (unused !== undefined)
    throw new MlistError('ERR_MLIST_USAGE', `--hash-password and --${unused} cannot be used together`);
  const password = await readPassword(user, invocation, context);
  if (!invocation.flag('password-stdin')) await confirm(password, user, invocation, context);
  const hash = await hashPassword(user, password);
  if (context.output.json) context.output.document({ user, hash });
  else context.output.line(`${user}:${hash}`);
  return 0;
}

/** Prompts again, because a typing error would be noticed only at the first login. */
async function confirm(password: string, user: string, invocation: ParsedArguments, context: Context): Promise<void> {
  const question = { what: 'password', question: 'Repeat the password: ', option: '--password-stdin', hidden: true };
  if ((await ask(question, user, invocation, context)) !== password)
    throw new MlistError('ERR_MLIST_USAGE', 'the passwords do not match');
}

/** Serves until the process is interrupted, and then returns 0. */
async function serve(invocation: ParsedArguments, context: Context): Promise<number> {
  const { output, cwd, signal, onEvent } = context;
  const dir = invocation.text('dir');
  const htpasswd = invocation.text('htpasswd');
  const registry = await startRegistry({
    address: invocation.text('addr') ?? '127.0.0.1:5000',
    dir: dir === undefined ? undefined : resolve(cwd, dir),
    readOnly: invocation.flag('read-only'),
    tls: await readTls(invocation, context),
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

async function readTls(
  invocation: ParsedArguments,
  context: Context,
): Promise<{ readonly cert: Uint8Array; readonly key: Uint8Array } | undefined> {
  const [cert, key] = [invocation.text('tls-cert'), invocation.text('tls-key')];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new MlistError('ERR_MLIST_USAGE', '--tls-cert and --tls-key must be used together');
  return { cert: await readInputFile(cert, context), key: await readInputFile(key, context) };
}
