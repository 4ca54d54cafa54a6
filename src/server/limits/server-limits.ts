import { defaultMemory, MemoryBudget } from './memory-budget.ts';

/** Limits of the embedded registry. Requests that exceed a limit are refused. */
export interface ServerLimits {
  /**
   * Maximum memory for manifests in requests and, without `dir`, for all stored content, in bytes. Requests that need
   * more are refused with 507. Default: half of the memory that the process may use.
   */
  readonly memoryBytes?: number | undefined;
  /**
   * Maximum size of a blob in bytes. Larger uploads are refused with 413. Default: limited only by the memory or the
   * disk.
   */
  readonly uploadBytes?: number | undefined;
  /**
   * Maximum number of open connections. At the limit, a new connection replaces the one that has been idle for the
   * longest time; if none is idle, the new one is closed. Default 1000.
   */
  readonly maxConnections?: number | undefined;
  /** Maximum number of open uploads. Further ones are refused with 429. Default 1000. */
  readonly openUploads?: number | undefined;
  /** Time after which an upload without requests is discarded, in milliseconds. Default 3 600 000 (an hour). */
  readonly uploadIdleMs?: number | undefined;
  /**
   * The period over which the rate of a request body is measured, in milliseconds. Only time in which the registry
   * waits for the client is counted. A body that arrives at less than 1 KiB per second is refused with 408.
   * Default 60 000.
   */
  readonly slowBodyMs?: number | undefined;
}

/** The limits in effect. */
export type Limits = { readonly [Name in keyof ServerLimits]-?: number } & { readonly memory: MemoryBudget };

export const HEADER_BYTES = 16 * 1024;
export const MAX_HEADERS = 200;

/**
 * Returns the limits in effect. Limits that are not set get their defaults.
 * @param inMemory - whether content is stored in memory. If so, no blob may be larger than the memory limit
 */
export function limitsOf(options: ServerLimits = {}, inMemory: boolean): Limits {
  const { memoryBytes = defaultMemory(), uploadBytes = Infinity } = options;
  return {
    memoryBytes,
    uploadBytes: Math.min(uploadBytes, inMemory ? memoryBytes : Infinity),
    maxConnections: options.maxConnections ?? 1000,
    openUploads: options.openUploads ?? 1000,
    uploadIdleMs: options.uploadIdleMs ?? 3_600_000,
    slowBodyMs: options.slowBodyMs ?? 60_000,
    memory: new MemoryBudget(memoryBytes),
  };
}
