import { dockerCredentials, Homes, MlistError, version, type AuthHost } from '../index.ts';
import { parseDuration } from './duration.ts';
import type { Invocation } from './language.ts';
import type { Output } from './output.ts';

interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly folder: string;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** Opens registries and other homes with what the command line says of them. */
export function openHomes(
  invocation: Invocation,
  output: Output,
  { env, home, folder, cwd, signal }: Surroundings,
): Homes {
  const timeout = invocation.text('timeout');
  return new Homes({
    workspaceFolder: folder,
    cwd,
    env,
    signal,
    userAgent: `mlist/${version}`,
    credentials: dockerCredentials({ env, home }),
    concurrency: atLeastOne(invocation.number('concurrency')),
    retries: invocation.number('retries'),
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
    insecure: invocation.flag('insecure'),
    plainHttp: invocation.texts('plain-http'),
    caFile: invocation.text('ca-file'),
    authHosts: invocation.texts('auth-host').map(parseAuthHost),
    onRequest: (event) => {
      output.request(event);
    },
  });
}

function atLeastOne(concurrency: number | undefined): number | undefined {
  if (concurrency !== 0) return concurrency;
  throw new MlistError('ERR_MLIST_USAGE', '--concurrency takes a number from 1 on');
}

function parseAuthHost(text: string): AuthHost {
  const [registry, host, ...more] = text.split('=');
  if (registry && host && more.length === 0) return { registry, host };
  throw new MlistError('ERR_MLIST_USAGE', `--auth-host takes REGISTRY=HOST, not ${JSON.stringify(text)}`);
}
