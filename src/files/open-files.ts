import { Limiter } from '../async/limiter.ts';

/**
 * Limits the files that short tasks have open at once: macOS allows a process 256. Such a task waits for nothing but the
 * file system; otherwise it could wait for itself.
 */
export const openFiles = new Limiter(32);
