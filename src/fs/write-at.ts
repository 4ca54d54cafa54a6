import type { FileHandle } from 'node:fs/promises';

/** Writes all bytes at a position in a file, with several calls if the system writes only some of them at once. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
