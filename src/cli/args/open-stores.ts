import { certificateFolders } from '../../store/registry/http/certificates.ts';
import type { ReportPending } from '../../async/pending.ts';
import type { AuthHost } from '../../store/registry/registry-options.ts';
import {
  registryConfiguration,
  type RegistryConfiguration,
} from '../../store/registry/mirrors/registry-configuration.ts';
import { AllowedRegistries } from '../../store/registry/credentials/allowed-registries.ts';
import { storedCredentials } from '../../store/registry/credentials/stored-credentials.ts';
import type { ProjectGuard } from '../../draft/workspace/project-guard.ts';
import { MlistError } from '../../errors/errors.ts';
import { withoutPassword } from '../../oci/reference.ts';
import type { OperationEvent } from '../../operations/events.ts';
import type { LayerCompression } from '../../store/docker-image/layer-compression.ts';
import { zstdStreams } from '../../store/docker-image/zstd.ts';
import { variable } from '../../store/environment.ts';
import { Stores, type StoresOptions } from '../../store/open.ts';
import { version } from '../../version.ts';
import { credentialOptions, pathOption } from './credential-options.ts';
import { parseDuration } from './duration.ts';
import type { Pipes } from './pipes.ts';
import { atLeastOne, parseSize } from './size.ts';
import type { ParsedArguments } from './command-declaration.ts';
import type { Output } from '../output/output.ts';

interface StoreEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  readonly systemFolder?: string | undefined;
  readonly cwd: string;
  readonly folder: string;
  readonly guard: ProjectGuard;
  readonly signal: AbortSignal;
  readonly pipes: Pipes;
  readonly stdinChunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly send: (chunk: Uint8Array) => Promise<void>;
  readonly waiting: ReportPending;
  readonly onEvent: (event: OperationEvent) => void;
}

type ConnectionOptions = Pick<
  StoresOptions,
  | 'env'
  | 'concurrency'
  | 'retries'
  | 'timeoutMs'
  | 'insecure'
  | 'plainHttp'
  | 'http1'
  | 'caFile'
  | 'certificateFolders'
  | 'authHosts'
>;

/** Creates the stores with the options from the command line and the environment. */
export function openStores(args: ParsedArguments, output: Output, environment: StoreEnvironment): Stores {
  const { env, home, platform, uid, cwd, folder, guard, signal, pipes, waiting, onEvent } = environment;
  const onWarning = (message: string) => onEvent({ type: 'warning', message });
  const spoolLimit = args.text('spool-limit');
  return new Stores({
    workspaceFolder: folder,
    recordsFolder: guard.ownWorkspace,
    cwd,
    ...connectionOptions(args, environment),
    user: { home, platform, uid },
    signal,
    waiting,
    userAgent: `mlist/${version}`,
    credentials: storedCredentials(credentialOptions(args, environment)),
    mirrors: mirrorsOf(args, environment),
    allowedRegistries: allowedRegistries(args, env),
    spoolLimit: spoolLimit === undefined ? undefined : parseSize(spoolLimit, '--spool-limit'),
    ...compressions(args, pipes),
    checkLocal: (location) => guard.check(location),
    stdin: pipes.source === undefined ? undefined : () => environment.stdinChunks(signal),
    stdout: pipes.target === undefined ? undefined : environment.send,
    onWarning,
    onNote: (message) => onEvent({ type: 'note', message }),
    onMirror: (event) => onEvent({ type: 'mirror', ...event }),
    onRequest: output.request,
  });
}

/**
 * Returns the options for connections to registries.
 * @throws MlistError `ERR_MLIST_USAGE` if a value is invalid
 */
export function connectionOptions(
  args: ParsedArguments,
  { env, home, platform, cwd }: Pick<StoreEnvironment, 'env' | 'home' | 'platform' | 'cwd'>,
): ConnectionOptions {
  const timeout = args.text('timeout');
  return {
    env,
    concurrency: atLeastOne(args.number('concurrency'), '--concurrency'),
    retries: args.number('retries'),
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
    insecure: args.flag('insecure'),
    plainHttp: args.texts('plain-http'),
    http1: args.flag('http1'),
    caFile: pathOption(args, 'ca-file', cwd),
    certificateFolders: certificateFolders({ env, home, platform }),
    authHosts: args.texts('auth-host').map(parseAuthHost),
  };
}

/**
 * Returns the registry configuration, which includes the mirrors, or undefined with `--no-mirrors`. With
 * `MLIST_NO_MIRRORS`, it contains only the mirrors in `--mirror`, and is undefined without `--mirror`.
 * @throws MlistError `ERR_MLIST_USAGE` if a mirror is invalid, or `--mirror` and `--no-mirrors` are both given
 */
function mirrorsOf(args: ParsedArguments, environment: StoreEnvironment): RegistryConfiguration | undefined {
  const mirrors = args.texts('mirror');
  if (args.flag('no-mirrors') && mirrors.length > 0)
    throw new MlistError('ERR_MLIST_USAGE', '--mirror and --no-mirrors cannot be used together');
  const { env, home, platform, systemFolder } = environment;
  const isOff = args.flag('no-mirrors') || variable(env, 'MLIST_NO_MIRRORS') !== undefined;
  if (isOff && mirrors.length === 0) return undefined;
  const options = { home, platform, systemFolder, mirrors, readsFiles: !isOff };
  return registryConfiguration({ ...options, env: isOff ? { ...env, MLIST_MIRRORS: '' } : env });
}

/**
 * Returns the registries in `--allow-registry`, or else in `MLIST_ALLOW_REGISTRIES`. Undefined if all registries are
 * allowed.
 * @throws MlistError `ERR_MLIST_USAGE` if a pattern is invalid, or the variable contains only separators
 */
function allowedRegistries(args: ParsedArguments, env: StoreEnvironment['env']): AllowedRegistries | undefined {
  const options = args.texts('allow-registry');
  if (options.length > 0) return AllowedRegistries.parse(options, '--allow-registry');
  const text = variable(env, 'MLIST_ALLOW_REGISTRIES');
  if (text === undefined) return undefined;
  const patterns = text.split(/[\s,]+/).filter((pattern) => pattern !== '');
  if (patterns.length > 0) return AllowedRegistries.parse(patterns, 'MLIST_ALLOW_REGISTRIES');
  throw new MlistError('ERR_MLIST_USAGE', 'MLIST_ALLOW_REGISTRIES is set, but contains no registry');
}

function compressions(
  args: ParsedArguments,
  { target }: Pipes,
): Pick<StoresOptions, 'compression' | 'archiveCompression'> {
  const compression = args.text('compression') as LayerCompression | undefined;
  const archiveCompression = args.text('archive-compression') as 'gzip' | 'zstd' | undefined;
  if (compression === 'zstd') zstdStreams('--compression zstd');
  if (archiveCompression === 'zstd') zstdStreams('--archive-compression zstd');
  if (archiveCompression === undefined || target !== undefined) return { compression, archiveCompression };
  throw new MlistError('ERR_MLIST_USAGE', '--archive-compression needs an archive on stdout: oci-archive:-', {
    hint: 'Archive files are never compressed, so that images can be added to them.',
  });
}

function parseAuthHost(text: string): AuthHost {
  const [registry, host, ...more] = text.split('=');
  if (registry && host && more.length === 0) return { registry, host };
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `--auth-host takes REGISTRY=HOST, not ${JSON.stringify(withoutPassword(text))}`,
  );
}
