import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../src/index.ts';

/** Opens a pipe once somebody reads it: from then on the reader waits for what never comes. */
export async function openForReader(path: string): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (thrown) {
      if (errorCode(thrown) !== 'ENXIO') throw thrown;
      await sleep(20);
    }
  }
}
