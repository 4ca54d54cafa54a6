import { asMlistError } from '../../errors/errors.ts';
import { EngineClient } from '../../store/engine/engine-client.ts';
import { Engine, type ImageStore } from '../../store/engine/engine.ts';
import { findEngine, type EngineEnvironment } from '../../store/engine/find-engine.ts';

/** The container engine that commands use for `docker-daemon:` or `podman:` locations. */
export interface EngineStatus {
  readonly engine: 'docker-daemon' | 'podman';
  /** The address of the engine; undefined if none was found. */
  readonly address?: string | undefined;
  /** Where the address was found, such as `DOCKER_HOST`. */
  readonly from?: string | undefined;
  readonly reachable: boolean;
  /** The kind of its image store; undefined if the engine cannot be reached. */
  readonly store?: ImageStore | undefined;
  readonly problem?: string | undefined;
}

interface EngineOptions extends EngineEnvironment {
  readonly signal: AbortSignal;
}

const LIMIT_MS = 2000;

/** Checks whether the Docker engine and podman can be reached, with one or two requests to each. */
export function reachEngines(options: EngineOptions): Promise<readonly EngineStatus[]> {
  return Promise.all((['docker-daemon', 'podman'] as const).map((engine) => reachEngine(engine, options)));
}

async function reachEngine(engine: EngineStatus['engine'], options: EngineOptions): Promise<EngineStatus> {
  let found: { readonly address: string; readonly from: string } | undefined;
  try {
    const address = await findEngine(engine, undefined, options);
    found = { address: address.text, from: address.origin };
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(LIMIT_MS)]);
    const client = new EngineClient(address, { timeoutMs: LIMIT_MS, env: options.env, signal });
    return { engine, ...found, reachable: true, store: await new Engine(client).imageStore(engine) };
  } catch (thrown) {
    options.signal.throwIfAborted();
    const isSilent = (thrown as { readonly name?: unknown }).name === 'TimeoutError';
    const problem = isSilent ? `no response within ${LIMIT_MS / 1000} s` : asMlistError(thrown).message;
    return { engine, ...found, reachable: false, problem };
  }
}
