import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../errors/errors.ts';
import type { EngineKind } from '../../oci/engine-location.ts';
import { dockerFolder, variable, type Environment } from '../environment.ts';
import { currentContext, DEFAULT_CONTEXT, readContext, readTls } from './docker-contexts.ts';
import { parseAddress, type EngineAddress } from './engine-address.ts';

/**
 * This module finds engines. Docker is found by the settings of the docker command, podman by CONTAINER_HOST. If these
 * are not set, the default sockets are used.
 */

export interface EngineEnvironment {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
}

/**
 * Finds the address of an engine.
 * @param context - the Docker context in the location; undefined if the location has none
 * @throws MlistError `ERR_MLIST_USAGE` if the address or Docker's configuration is invalid, or the context does not
 * exist; `ERR_MLIST_FILE` if a file cannot be read; `ERR_MLIST_NETWORK` if no address is configured and no default
 * socket exists
 */
export async function findEngine(
  kind: EngineKind,
  context: string | undefined,
  environment: EngineEnvironment,
): Promise<EngineAddress> {
  return kind === 'podman' ? findPodman(environment) : findDocker(context, environment);
}

/**
 * Returns the address of the Docker engine. It comes from the first of these that is set: the context in the location,
 * DOCKER_HOST, DOCKER_CONTEXT, and the context that was selected with `docker context use`. If none is set, it is the
 * default socket. The context `default` stands for DOCKER_HOST or the default socket.
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
    named !== undefined
      ? 'named in the location'
      : selected !== undefined
        ? 'set in DOCKER_CONTEXT'
        : 'selected with "docker context use"';
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

/**
 * Returns the address of the first socket that exists: the system's engine, a rootless engine, or Docker Desktop. On
 * Windows, returns the address of the default named pipe.
 */
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
    // If access to the folder is denied, the socket may exist. The attempt to connect then reports the denied access.
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
          'Start the service with "systemctl --user start podman.socket" or "podman system service", or set CONTAINER_HOST.',
        ]
      : [
          'Docker engine',
          'Start Docker, set DOCKER_HOST, or specify a Docker context in the location: docker-daemon@CONTEXT:NAME.',
        ];
  const message = `no ${program} found: there is no socket at ${paths.join(' or ')}`;
  throw new MlistError('ERR_MLIST_NETWORK', message, { hint });
}

function socket(kind: EngineKind, path: string, scheme = 'unix'): EngineAddress {
  return parseAddress(`${scheme}://${path}`, { kind, origin: 'the default socket' });
}
