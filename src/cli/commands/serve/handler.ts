import { resolve } from 'node:path';
import { asMlistError, errorMessage, MlistError } from '../../../errors/errors.ts';
import { hashPassword } from '../../../server/auth/htpasswd.ts';
import { startRegistry, type RunningRegistry } from '../../../server/start-registry.ts';
import type { Context } from '../../context.ts';
import { garbageOptions } from '../../args/garbage-options.ts';
import { removalText } from '../gc/handler.ts';
import type { CollectionOptions } from '../../../server/garbage/periodic-collection.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readInputFile } from '../../args/input-file.ts';
import { formatDuration, parseDuration } from '../../args/duration.ts';
import { hintOf } from '../../output/remedy-hint.ts';
import { ask, readPassword } from '../../password-input.ts';
import { isLoopback } from '../../../store/hosts.ts';
import { safeRequestPath } from '../../../errors/redact.ts';
import { accessLog } from './access-log.ts';
import { limitsIn, proxyIn } from './serve-options.ts';

/** If stopping the registry takes longer than this, in milliseconds, a note is printed. */
const NOTE_AFTER_MS = 300;

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const user = args.text('hash-password');
  if (user !== undefined) return printEntry(user, args, context);
  if (args.flag('password-stdin')) throw new MlistError('ERR_MLIST_USAGE', '--password-stdin needs --hash-password');
  return serve(args, context);
}

async function printEntry(user: string, args: ParsedArguments, context: Context): Promise<number> {
  const allowed = ['hash-password', 'password-stdin'];
  const unused = args.command.options.map(({ name }) => name).find((name) => !allowed.includes(name) && args.has(name));
  if (unused !== undefined)
    throw new MlistError('ERR_MLIST_USAGE', `--hash-password and --${unused} cannot be used together`);
  const password = await readPassword(user, args, context);
  if (!args.flag('password-stdin')) await confirm(password, user, args, context);
  const hash = await hashPassword(user, password);
  if (context.output.json) context.output.document({ user, hash });
  else context.output.line(`${user}:${hash}`);
  return 0;
}

/** Prompts for the password again, because a typing error would otherwise be noticed only at the first login. */
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
  const address = args.text('addr') ?? '127.0.0.1:5000';
  const drain = parseDuration(args.text('drain') ?? '10s', '--drain', 0);
  if (args.flag('anonymous-pull') && htpasswd === undefined)
    throw new MlistError('ERR_MLIST_USAGE', '--anonymous-pull needs --htpasswd');
  context.extendGrace(drain);
  const log = accessLog(args, output);
  const registry = await startRegistry({
    address,
    dir: dir === undefined ? undefined : resolve(cwd, dir),
    readOnly: args.flag('read-only'),
    gc: collectionOptions(args, context),
    tls: await readTls(args, context),
    htpasswd: htpasswd === undefined ? undefined : resolve(cwd, htpasswd),
    anonymousPull: args.flag('anonymous-pull'),
    allowSparse: args.flag('allow-sparse'),
    drain,
    proxy: await proxyIn(args, context),
    limits: limitsIn(args),
    signal,
    onDamaged: (error) => {
      const known = asMlistError(error);
      onEvent({ type: 'warning', message: [known.message, hintOf(known)].filter(Boolean).join('. ') });
    },
    onWarning: (message) => onEvent({ type: 'warning', message }),
    onRequest: (request) => {
      const { method, status, milliseconds, fault } = request;
      const url = safeRequestPath(request.path);
      output.request?.({ type: 'request', method, url, status, milliseconds });
      if (fault !== undefined)
        onEvent({ type: 'warning', message: `${method} ${url} failed with HTTP ${status}: ${errorMessage(fault)}` });
      log?.(request);
    },
  });
  for (const message of exposures(args, address)) onEvent({ type: 'warning', message });
  if (output.json) output.document({ url: registry.url });
  else output.line(registry.url);
  if (!signal.aborted) await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
  await closeWithNote(registry, drain, context);
  return 0;
}

/** Closes the registry. If this takes longer than `NOTE_AFTER_MS`, prints a note about what the registry waits for. */
async function closeWithNote(registry: RunningRegistry, drain: number, { onEvent }: Context): Promise<void> {
  const message = `stopping: requests and uploads in progress may continue for up to ${formatDuration(drain)}; a second signal ends them immediately`;
  const note = setTimeout(() => onEvent({ type: 'note', message }), NOTE_AFTER_MS);
  await registry.close().finally(() => clearTimeout(note));
}

/**
 * Returns a warning if the registry requires no login or does not use TLS. Returns an empty array otherwise, and for a
 * loopback address, which only this machine can reach.
 */
function exposures(args: ParsedArguments, address: string): readonly string[] {
  if (isLoopback(address.replace(/:\d+$/, ''))) return [];
  if (!args.has('htpasswd')) {
    const actions = args.flag('read-only') ? 'read' : 'read and change';
    return [`everyone who can reach ${address} can ${actions} all content: use --htpasswd`];
  }
  if (args.has('tls-cert')) return [];
  return [
    `connections to ${address} are not encrypted, and passwords are sent in clear text: use --tls-cert and --tls-key`,
  ];
}

/**
 * Returns the options of the garbage collection that runs while the registry serves requests, or undefined without
 * `--gc`. Removals are printed on stderr, because stdout contains only the URL.
 * @throws MlistError `ERR_MLIST_USAGE` if `--gc` conflicts with another option, or is missing although an option needs
 *   it
 */
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
      onEvent({ type: 'warning', message: `garbage collection of ${name} failed: ${errorMessage(error)}` }),
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
