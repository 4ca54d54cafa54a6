import type { FileHandle } from 'node:fs/promises';

const CHUNK = 256 * 1024;

export interface ChunkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether a chunk may be overwritten as soon as the next one is requested. Default false. */
  readonly reuse?: boolean | undefined;
  /** Creates the error that is thrown if the file ends before `end`. `size` is the actual size. */
  readonly truncated: (size: number) => Error;
}

/**
 * Streams the bytes of a file from `start` to `end` (exclusive). Reads the next chunk while the consumer handles the
 * current one. With `reuse`, all chunks share two buffers.
 */
export async function* fileChunks(
  handle: FileHandle,
  start: number,
  end: number,
  { signal, reuse = false, truncated }: ChunkOptions,
): AsyncGenerator<Uint8Array> {
  if (start >= end) return;
  const length = Math.min(CHUNK, end - start);
  const buffers = reuse ? [Buffer.allocUnsafeSlow(length), Buffer.allocUnsafeSlow(length)] : undefined;
  let count = 0;
  const read = (at: number): Promise<Uint8Array> => {
    signal?.throwIfAborted();
    const size = Math.min(length, end - at);
    const buffer = buffers?.[count++ % 2] ?? Buffer.allocUnsafeSlow(size);
    const reading = handle.read(buffer, 0, size, at).then(({ bytesRead }) => {
      if (bytesRead === 0) throw truncated(at);
      return buffer.subarray(0, bytesRead);
    });
    // If the consumer stops before it requests this chunk, a read error would otherwise be an unhandled rejection.
    reading.catch(() => undefined);
    return reading;
  };
  let next: Promise<Uint8Array> | undefined = read(start);
  for (let at = start; next !== undefined;) {
    const chunk = await next;
    at += chunk.length;
    next = at < end ? read(at) : undefined;
    yield chunk;
  }
}
