import { Limiter } from '../async/limiter.ts';

/**
 * Limits the number of files that short tasks have open at once, because macOS allows 256 per process by default. A
 * task that holds a slot must not wait for anything but the file system: if it waited for another task, both could wait
 * forever.
 */
export const openFiles = new Limiter(32);
