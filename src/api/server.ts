/**
 * An embedded registry, for development and for the tests of other projects.
 * @module mlist/server
 */
import { checkEffect, requestKinds, type Fault, type FaultMatch, type MemberOf } from '../server/faults/fault.ts';
import type { TokenLoginOptions } from '../server/faults/token-login.ts';
import type { ServerLimits } from '../server/limits/server-limits.ts';
import type { ProxyOptions } from '../server/proxy/pull-through.ts';
import type { UpstreamOptions } from '../server/proxy/upstream-sessions.ts';
import { startRegistry as startServer, type RunningRegistry, type ServerOptions } from '../server/start-registry.ts';
import { interruptedError } from './api-call.ts';
import {
  checkOptions,
  isArray,
  isArrayOf,
  isAtLeast,
  isFlag,
  isFunction,
  isObject,
  isObjectOf,
  isOneOf,
  isRecordOf,
  isSignal,
  isText,
  orUndefined,
  type Check,
  type Checks,
} from './option-checks.ts';

export type { Fault, FaultEffect, FaultMatch, RequestKind } from '../server/faults/fault.ts';
export type { TokenLoginOptions } from '../server/faults/token-login.ts';
export type { ServerLimits } from '../server/limits/server-limits.ts';
export type { ProxyOptions } from '../server/proxy/pull-through.ts';
export type { UpstreamOptions } from '../server/proxy/upstream-sessions.ts';
export { hashPassword } from '../server/auth/htpasswd.ts';
export type { CollectedRepository } from '../server/garbage/collect-folder.ts';
export type { CollectionOptions } from '../server/garbage/periodic-collection.ts';
export type { Interceptor, RunningRegistry, ServedRequest, ServerOptions } from '../server/start-registry.ts';

const limits: Checks<ServerLimits> = {
  memoryBytes: isAtLeast(1),
  uploadBytes: isAtLeast(1),
  maxConnections: isAtLeast(1),
  openUploads: isAtLeast(1),
  uploadIdleMs: isAtLeast(1),
  slowBodyMs: isAtLeast(1),
};

const upstream: Checks<UpstreamOptions> = {
  authHosts: isArrayOf(isObjectOf({ registry: isText, host: isText }), 'an item in authHosts'),
  caFile: isText,
  certificateFolders: isArrayOf(isText, 'a folder in certificateFolders'),
  concurrency: isAtLeast(1),
  credentials: isFunction,
  env: isObject,
  http1: isFlag,
  insecure: isFlag,
  onRequest: isFunction,
  plainHttp: isArrayOf(isText, 'a registry in plainHttp'),
  retries: isAtLeast(0),
  timeoutMs: isAtLeast(0),
};

const proxy: Checks<ProxyOptions> = {
  upstreams: isArrayOf(isText, 'an item in upstreams'),
  ttlMs: isAtLeast(0),
  client: isOptions(upstream),
  onWarning: isFunction,
};

const token: Checks<TokenLoginOptions> = { expiresIn: isAtLeast(1), anonymousPull: isFlag };

const match: Checks<FaultMatch> = {
  method: isText,
  kind: isOneOf(...requestKinds),
  path: (value, name) => isObjectOf({ source: isText, flags: isText })(value, name),
};

const fault: Check = (value, name) => {
  isObject(value, name);
  checkEffect(value);
  isObjectOf({
    match: orUndefined(isOptions(match)),
    times: orUndefined(isAtLeast(1)),
    skip: orUndefined(isAtLeast(0)),
    status: orUndefined(isAtLeast(200)),
    headers: orUndefined(isRecordOf(isText, 'the header')),
    delayMs: orUndefined(isAtLeast(0)),
    cutAfter: orUndefined(isAtLeast(0)),
    wrongDigest: orUndefined(isFlag),
    noMount: orUndefined(isFlag),
    noReferrers: orUndefined(isFlag),
  } satisfies Record<MemberOf<Fault>, Check>)(value, name);
};

/** Returns a check like `isObjectOf`, but undefined members are accepted. */
function isOptions<Options>(members: Checks<Options>): Check {
  return (value, name) => {
    isObject(value, name);
    checkOptions(value as Options, members);
  };
}

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
  proxy: (value, name) => {
    isOptions(proxy)(value, name);
    isArray((value as ProxyOptions).upstreams, 'upstreams');
  },
  limits: isOptions(limits),
  tokenLogin: (value, name) => {
    if (typeof value === 'boolean') return;
    isObject(value, name, 'a boolean or an object');
    checkOptions(value as TokenLoginOptions, token);
  },
  faults: isArrayOf(fault, 'a fault'),
  intercept: isFunction,
  signal: isSignal,
  onDamaged: isFunction,
  onWarning: isFunction,
  onRequest: isFunction,
};

/**
 * Starts a registry (distribution-spec v1.1.1), and waits until it is listening.
 * @throws MlistError if an option is invalid, if the address, the folder or the htpasswd file cannot be used, or if the
 *   signal is aborted before the registry is listening
 */
export async function startRegistry(options: ServerOptions = {}): Promise<RunningRegistry> {
  checkOptions(options, checks);
  try {
    return await startServer(options);
  } catch (thrown) {
    throw interruptedError(thrown, options.signal);
  }
}
