import { defaultMemory, MemoryBudget } from './memory-budget.ts';

/** Limits of the embedded registry. Requests that exceed them are refused. */
export interface ServerLimits {
  /**
   * Memory for manifests in requests and, without `dir`, for all content, in bytes. Beyond it, the registry answers with 507.
   * Default: half of the memory that the process may use.
   */
  readonly memoryBytes?: number | undefined;
  /** Size of a blob in bytes; larger uploads are refused with 413. Default: only limited by the memory or the disk. */
  readonly uploadBytes?: number | undefined;
  /**
   * Open connections. At the limit, the connection that has been idle for the longest time is closed for a new one; if all have
   * requests, the new one is closed. Default 1000.
   */
  readonly maxConnections?: number | undefined;
  /** Uploads that are open at the same time; further ones are refused with 429. Default 1000. */
  readonly openUploads?: number | undefined;
  /** Milliseconds after which an upload without requests is removed. Default 3 600 000 (an hour). */
  readonly uploadIdleMs?: number | undefined;
  /**
   * Milliseconds that the registry waits for less than 1 KiB per second of a request body. It then answers with 408.
   * Default 60 000.
   */
  readonly slowBodyMs?: number | undefined;
}

/** The limits in effect. */
export type Limits = { readonly [Name in keyof ServerLimits]-?: number } & { readonly memory: MemoryBudget };

export const HEADER_BYTES = 16 * 1024;
export const MAX_HEADERS = 200;

/** @param inMemory - whether content is stored in memory, so that no blob may be larger than it */
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
