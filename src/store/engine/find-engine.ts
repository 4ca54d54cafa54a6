import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../errors/errors.ts';
import type { EngineKind } from '../../oci/engine-location.ts';
import { dockerFolder, variable, type Environment } from '../environment.ts';
import { currentContext, DEFAULT_CONTEXT, readContext, readTls } from './docker-contexts.ts';
import { parseAddress, type EngineAddress } from './engine-address.ts';

/** Finds the engine that the docker or podman command would use. */

export interface EngineEnvironment {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
}

/**
 * Finds the address of an engine.
 * @param context - the Docker context that the location names
 * @throws MlistError `ERR_MLIST_USAGE` for an invalid address or an unknown context, `ERR_MLIST_NETWORK` if no engine
 * is found
 */
export async function findEngine(
  kind: EngineKind,
  context: string | undefined,
  environment: EngineEnvironment,
): Promise<EngineAddress> {
  return kind === 'podman' ? findPodman(environment) : findDocker(context, environment);
}

/**
 * DOCKER_HOST takes precedence over DOCKER_CONTEXT, which takes precedence over the context that `docker context use`
 * has selected.
 */
async function findDocker(named: string | undefined, environment: EngineEnvironment): Promise<EngineAddress> {
  const folder = dockerFolder(environment.env, environment.home);
  const host = variable(environment.env, 'DOCKER_HOST');
  if (named === undefined && host !== undefined) return dockerHost(host, folder, environment);
  const selected = variable(environment.env, 'DOCKER_CONTEXT');
  const context = named ?? selected ?? (await currentContext(folder)) ?? DEFAULT_CONTEXT;
  if (context === DEFAULT_CONTEXT)
    return host === undefined ? defaultDocker(environment) : dockerHost(host, folder, environment);
  const from =
    named !== undefined ? 'named in the location' : selected !== undefined ? 'DOCKER_CONTEXT' : 'the current one';
  const { host: address, tls } = await readContext(folder, context, from);
  return parseAddress(address, { kind: 'docker-daemon', origin: `the Docker context ${context}`, tls });
}

async function dockerHost(host: string, folder: string, environment: EngineEnvironment): Promise<EngineAddress> {
  const isVerified = variable(environment.env, 'DOCKER_TLS_VERIFY') !== undefined;
  const usesTls = isVerified || variable(environment.env, 'DOCKER_TLS') !== undefined;
  const certificates = variable(environment.env, 'DOCKER_CERT_PATH') ?? folder;
  const tls = usesTls ? ((await readTls(certificates, isVerified)) ?? { isVerified }) : undefined;
  return parseAddress(host, { kind: 'docker-daemon', origin: 'DOCKER_HOST', tls });
}

/** The first socket that exists: the default one, that of a rootless engine, that of Docker Desktop. */
async function defaultDocker(environment: EngineEnvironment): Promise<EngineAddress> {
  if (environment.platform === 'win32') return socket('docker-daemon', '//./pipe/docker_engine', 'npipe');
  const runtime = variable(environment.env, 'XDG_RUNTIME_DIR');
  return firstSocket('docker-daemon', [
    '/var/run/docker.sock',
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
    join(environment.home, '.docker/run/docker.sock'),
  ]);
}

async function findPodman(environment: EngineEnvironment): Promise<EngineAddress> {
  const host = variable(environment.env, 'CONTAINER_HOST');
  if (host !== undefined) return parseAddress(host, { kind: 'podman', origin: 'CONTAINER_HOST' });
  const runtime = variable(environment.env, 'XDG_RUNTIME_DIR');
  const own = runtime === undefined ? [] : [join(runtime, 'podman/podman.sock')];
  const system = ['/run/podman/podman.sock'];
  return firstSocket('podman', environment.uid === 0 ? [...system, ...own] : [...own, ...system]);
}

async function firstSocket(kind: EngineKind, paths: readonly string[]): Promise<EngineAddress> {
  for (const path of paths) {
    // A socket in an unreadable folder counts as existing, since connecting to it reports the reason.
    const isThere = await stat(path).then(
      () => true,
      (thrown: unknown) => errorCode(thrown) === 'EACCES',
    );
    if (isThere) return socket(kind, path);
  }
  const [program, hint] =
    kind === 'podman'
      ? [
          'podman service',
          'Start it with "systemctl --user start podman.socket" or "podman system service", or set CONTAINER_HOST.',
        ]
      : ['Docker engine', 'Start it, set DOCKER_HOST, or name a context: docker-daemon@CONTEXT:NAME.'];
  const message = `no ${program} is running here: there is no socket ${paths.join(' or ')}`;
  throw new MlistError('ERR_MLIST_NETWORK', message, { hint });
}

function socket(kind: EngineKind, path: string, scheme = 'unix'): EngineAddress {
  return parseAddress(`${scheme}://${path}`, { kind, origin: 'the default socket' });
}
