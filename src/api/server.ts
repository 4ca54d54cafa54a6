/**
 * The embedded registry, for tests of other projects and for development.
 * @module mlist/server
 */
import { startRegistry as startServer, type RunningRegistry, type ServerOptions } from '../server/start-registry.ts';
import type { ServerLimits } from '../server/limits/server-limits.ts';
import { interruptedError } from './api-call.ts';
import {
  checkOptions,
  isAtLeast,
  isFlag,
  isFunction,
  isObject,
  isSignal,
  isText,
  type Checks,
} from './option-checks.ts';

export type { ServerLimits } from '../server/limits/server-limits.ts';
export { hashPassword } from '../server/htpasswd.ts';
export type { CollectedRepository } from '../server/garbage/collect-folder.ts';
export type { CollectionOptions } from '../server/garbage/periodic-collection.ts';
export type { Interceptor, RunningRegistry, ServedRequest, ServerOptions } from '../server/start-registry.ts';

const limits: Checks<ServerLimits> = {
  memoryBytes: isAtLeast(1),
  uploadBytes: isAtLeast(1),
  openUploads: isAtLeast(1),
  uploadIdleMs: isAtLeast(1),
  slowBodyMs: isAtLeast(1),
};

const checks: Checks<ServerOptions> = {
  address: isText,
  dir: isText,
  gc: isObject,
  readOnly: isFlag,
  tls: isObject,
  htpasswd: isText,
  anonymousPull: isFlag,
  allowSparse: isFlag,
  drain: isAtLeast(0),
  proxy: isObject,
  limits: (value) => checkOptions(value as ServerLimits, limits),
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
