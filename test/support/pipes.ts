import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../src/errors/errors.ts';
import { temporaryFolder } from './cli-harness.ts';

/**
 * Opens a pipe for writing when a program reads it. The program then waits until the pipe is closed.
 * @returns undefined if the program ended first
 */
export async function openForReader(path: string, ended: Promise<unknown>): Promise<FileHandle | undefined> {
  const over = ended.then(() => true);
  for (let hasEnded = false; ; hasEnded = await Promise.race([over, sleep(20, false)])) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (thrown) {
      if (errorCode(thrown) !== 'ENXIO') throw thrown;
      if (hasEnded) return undefined;
    }
  }
}

/** The writable end of a pipe whose reader has closed its end. */
export async function unreadPipe(): Promise<FileHandle> {
  const path = join(await temporaryFolder(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = await open(path, constants.O_WRONLY);
  await reader.close();
  return writer;
}
