import { certificateFolders } from '../../store/registry/http/certificates.ts';
import type { ReportPending } from '../../async/pending.ts';
import type { AuthHost } from '../../store/registry/registry-options.ts';
import { storedCredentials } from '../../store/registry/credentials/stored-credentials.ts';
import { MlistError } from '../../errors/errors.ts';
import { withoutPassword } from '../../oci/reference.ts';
import type { OperationEvent } from '../../operations/events.ts';
import { Stores } from '../../store/open.ts';
import { version } from '../../version.ts';
import { credentialOptions, pathOption } from './credential-options.ts';
import { parseDuration } from './duration.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Output } from '../output/output.ts';

interface StoreEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  readonly cwd: string;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly waiting: ReportPending;
  readonly onEvent: (event: OperationEvent) => void;
}

/** Creates the content stores with the options of the command line. */
export function openStores(args: ParsedArguments, output: Output, environment: StoreEnvironment): Stores {
  const { env, home, platform, uid, cwd, folder, signal, waiting, onEvent } = environment;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  const timeout = args.text('timeout');
  return new Stores({
    workspaceFolder: folder,
    cwd,
    env,
    user: { home, platform, uid },
    signal,
    waiting,
    userAgent: `mlist/${version}`,
    credentials: storedCredentials(credentialOptions(args, environment)),
    concurrency: atLeastOne(args.number('concurrency')),
    retries: args.number('retries'),
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
    insecure: args.flag('insecure'),
    plainHttp: args.texts('plain-http'),
    caFile: pathOption(args, 'ca-file', cwd),
    certificateFolders: certificateFolders({ env, home, platform }),
    authHosts: args.texts('auth-host').map(parseAuthHost),
    onWarning,
    onRequest: output.request,
  });
}

function atLeastOne(concurrency: number | undefined): number | undefined {
  if (concurrency !== 0) return concurrency;
  throw new MlistError('ERR_MLIST_USAGE', '--concurrency must be at least 1');
}

function parseAuthHost(text: string): AuthHost {
  const [registry, host, ...more] = text.split('=');
  if (registry && host && more.length === 0) return { registry, host };
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `--auth-host takes REGISTRY=HOST, not ${JSON.stringify(withoutPassword(text))}`,
  );
}
