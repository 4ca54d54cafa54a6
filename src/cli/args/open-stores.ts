import { certificateFolders } from '../../store/registry/http/certificates.ts';
import type { ReportPending } from '../../async/pending.ts';
import type { AuthHost } from '../../store/registry/registry-options.ts';
import { storedCredentials } from '../../store/registry/credentials/stored-credentials.ts';
import { MlistError } from '../../errors/errors.ts';
import { withoutPassword } from '../../oci/reference.ts';
import type { OperationEvent } from '../../operations/events.ts';
import type { LayerCompression } from '../../store/docker-image/layer-compression.ts';
import { zstdStreams } from '../../store/docker-image/zstd.ts';
import { Stores, type StoresOptions } from '../../store/open.ts';
import { version } from '../../version.ts';
import { credentialOptions, pathOption } from './credential-options.ts';
import { parseDuration } from './duration.ts';
import type { Pipes } from './pipes.ts';
import { parseSize } from './size.ts';
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
  readonly pipes: Pipes;
  readonly stdinChunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly send: (chunk: Uint8Array) => Promise<void>;
  readonly waiting: ReportPending;
  readonly onEvent: (event: OperationEvent) => void;
}

/** Creates the content stores with the options of the command line. */
export function openStores(invocation: ParsedArguments, output: Output, environment: StoreEnvironment): Stores {
  const { env, home, platform, cwd, folder, signal, pipes, waiting, onEvent } = environment;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  const timeout = invocation.text('timeout');
  const spoolLimit = invocation.text('spool-limit');
  return new Stores({
    workspaceFolder: folder,
    cwd,
    env,
    signal,
    waiting,
    userAgent: `mlist/${version}`,
    credentials: storedCredentials(credentialOptions(invocation, environment)),
    concurrency: atLeastOne(invocation.number('concurrency')),
    retries: invocation.number('retries'),
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
    insecure: invocation.flag('insecure'),
    plainHttp: invocation.texts('plain-http'),
    caFile: pathOption(invocation, 'ca-file', cwd),
    certificateFolders: certificateFolders({ env, home, platform }),
    authHosts: invocation.texts('auth-host').map(parseAuthHost),
    spoolLimit: spoolLimit === undefined ? undefined : parseSize(spoolLimit, '--spool-limit'),
    ...compressions(invocation, pipes),
    stdin: pipes.source === undefined ? undefined : () => environment.stdinChunks(signal),
    stdout: pipes.target === undefined ? undefined : environment.send,
    onNote: (message) => onEvent({ type: 'note', message }),
    onWarning,
    onRequest: output.request,
  });
}

function compressions(
  invocation: ParsedArguments,
  { target }: Pipes,
): Pick<StoresOptions, 'compression' | 'archiveCompression'> {
  const compression = invocation.text('compression') as LayerCompression | undefined;
  const archiveCompression = invocation.text('archive-compression') as 'gzip' | 'zstd' | undefined;
  if (compression === 'zstd') zstdStreams('--compression zstd');
  if (archiveCompression === 'zstd') zstdStreams('--archive-compression zstd');
  if (archiveCompression === undefined || target !== undefined) return { compression, archiveCompression };
  throw new MlistError('ERR_MLIST_USAGE', '--archive-compression needs an archive on stdout: oci-archive:-', {
    hint: 'Nothing could be added to a compressed archive in a file.',
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
