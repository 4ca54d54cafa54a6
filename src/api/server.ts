/**
 * The embedded registry, for tests of other projects and for development.
 * @module mlist/server
 */
import { startRegistry as startServer, type RunningRegistry, type ServerOptions } from '../server/start-registry.ts';
import { interruptedError } from './api-call.ts';
import { checkOptions, isFlag, isFunction, isObject, isSignal, isText, type Checks } from './option-checks.ts';

export { hashPassword } from '../server/htpasswd.ts';
export type { CollectedRepository } from '../server/garbage/collect-folder.ts';
export type { CollectionOptions } from '../server/garbage/periodic-collection.ts';
export type { Interceptor, RunningRegistry, ServedRequest, ServerOptions } from '../server/start-registry.ts';

const checks: Checks<ServerOptions> = {
  address: isText,
  dir: isText,
  gc: isObject,
  readOnly: isFlag,
  tls: isObject,
  htpasswd: isText,
  intercept: isFunction,
  signal: isSignal,
  onRequest: isFunction,
};

/**
 * Starts a registry (distribution-spec v1.1.1) and waits until it listens.
 * @throws MlistError if an option is invalid, the address, the folder or the htpasswd file cannot be used, or the signal is
 *   aborted
 */
export async function startRegistry(options: ServerOptions = {}): Promise<RunningRegistry> {
  checkOptions(options, checks);
  try {
    return await startServer(options);
  } catch (thrown) {
    throw interruptedError(thrown, options.signal);
  }
}
