import { Limiter } from '../async/limiter.ts';

/**
 * Limits the files that short tasks have open at once, because macOS allows 256 per process. To prevent a deadlock, a
 * task that holds a slot must wait for nothing but the file system.
 */
export const openFiles = new Limiter(32);
