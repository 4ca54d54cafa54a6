import { resolve } from 'node:path';
import { errorMessage, MlistError } from '../../errors.ts';
import { startRegistry } from '../../serve/registry.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readInputFile } from '../input-file.ts';

/** Serves until it is interrupted, which is how it ends well. */
export async function run(invocation: Invocation, context: Context): Promise<number> {
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
      onEvent({ type: 'warning', message: `${method} ${path} was answered with ${status}: ${errorMessage(fault)}` });
    },
  });
  if (output.json) output.document({ url: registry.url });
  else output.line(registry.url);
  if (!signal.aborted) await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
  await registry.close();
  return 0;
}

async function readTls(
  invocation: Invocation,
  context: Context,
): Promise<{ readonly cert: Uint8Array; readonly key: Uint8Array } | undefined> {
  const [cert, key] = [invocation.text('tls-cert'), invocation.text('tls-key')];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new MlistError('ERR_MLIST_USAGE', '--tls-cert and --tls-key belong together');
  return { cert: await readInputFile(cert, context), key: await readInputFile(key, context) };
}
