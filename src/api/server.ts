/**
 * The embedded registry, for tests of other projects and for development.
 * @module mlist/server
 */
export { hashPassword } from '../server/htpasswd.ts';
export { startRegistry } from '../server/start-registry.ts';
export type { Interceptor, RunningRegistry, ServedRequest, ServerOptions } from '../server/start-registry.ts';
