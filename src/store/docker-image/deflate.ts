import { constants, deflateRaw } from 'node:zlib';
import { createHash } from '../../oci/digest.ts';

/** A block of data, which is compressed to a part of a deflate stream. */
export interface DeflateBlock {
  readonly bytes: Uint8Array;
  /** The last 32 KiB of the data before the block, or all of this data if it is shorter. */
  readonly dictionary: Uint8Array;
  readonly isLast: boolean;
}

/** Compresses a block. The concatenated results of all blocks are one deflate stream. */
export type Deflate = (block: DeflateBlock) => Promise<Uint8Array>;

/**
 * The compression level with the best ratio of size to CPU time. Changing it changes the digests of all layers that
 * are compressed with gzip.
 */
export const DEFLATE_LEVEL = 4;

export const BLOCK_BYTES = 1024 * 1024;

/** Size of deflate's window in bytes. */
export const DICTIONARY_BYTES = 32 * 1024;

/**
 * Size of the output buffer in bytes. It exceeds the largest result for a block, so that zlib is called once per block:
 * a second call would add another flush marker.
 */
const OUTPUT_BYTES = BLOCK_BYTES + 64 * 1024;

/** Compresses in the thread pool of libuv, with the zlib that Node was built with. */
export const nodeDeflate: Deflate = ({ bytes, dictionary, isLast }) =>
  new Promise((resolve, reject) => {
    const options = {
      level: DEFLATE_LEVEL,
      finishFlush: isLast ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
      chunkSize: OUTPUT_BYTES,
      ...(dictionary.length === 0 ? {} : { dictionary }),
    };
    deflateRaw(bytes, options, (error, result) => (error === null ? resolve(result) : reject(error)));
  });

/** Compresses with pako, a port of zlib to JavaScript, in the main thread. */
export const pakoDeflate: Deflate = async ({ bytes, dictionary, isLast }) => {
  const { Deflate, Z_FINISH, Z_SYNC_FLUSH } = await import('pako');
  const options = { raw: true, level: DEFLATE_LEVEL, chunkSize: OUTPUT_BYTES } as const;
  const deflate = new Deflate(
    dictionary.length === 0 ? options : { ...options, dictionary: Uint8Array.from(dictionary) },
  );
  const chunks: Uint8Array[] = [];
  deflate.onData = (chunk) => chunks.push(chunk);
  deflate.push(Uint8Array.from(bytes), isLast ? Z_FINISH : Z_SYNC_FLUSH);
  if (deflate.err !== 0) throw new Error(`pako cannot compress: ${deflate.msg}`);
  return Buffer.concat(chunks);
};

/** The digest that `selfTestResult` returns with the zlib of Node's official builds, and with pako. */
const EXPECTED = '8d966ea0ed125c47abae8b808e2702cc5a5c3f5119b6b19ab838c395328d688f';

let chosen: Promise<Deflate> | undefined;

/**
 * Returns an implementation with the same results on all machines: Node's zlib or, if this build of Node has a zlib
 * with other results, pako. A compressed layer thus has the same digest everywhere.
 * @param onNote - called once with a message if pako is used
 */
export function deflater(onNote?: (message: string) => void): Promise<Deflate> {
  chosen ??= selfTestResult(nodeDeflate).then((result) => {
    if (result === EXPECTED) return nodeDeflate;
    onNote?.(
      'the zlib of this Node build would change layer digests, so layers are compressed in JavaScript, which is slower',
    );
    return pakoDeflate;
  });
  return chosen;
}

/** Compresses text-like data as two blocks, and returns the digest of the result. */
export async function selfTestResult(deflate: Deflate): Promise<string> {
  const data = selfTestData();
  const middle = data.length - 100_000;
  const first = { bytes: data.subarray(0, middle), dictionary: data.subarray(0, 0), isLast: false };
  const dictionary = data.subarray(middle - DICTIONARY_BYTES, middle);
  const second = { bytes: data.subarray(middle), dictionary, isLast: true };
  const hash = createHash('sha256');
  for (const block of [first, second]) hash.update(await deflate(block));
  return hash.digest('hex');
}

/** Returns pseudo-random words of different lengths, so that matches of many lengths and distances occur. */
function selfTestData(): Buffer {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const words = Array.from({ length: 400 }, () =>
    Buffer.from(Array.from({ length: 1 + next(24) }, () => (next(4) === 0 ? next(256) : 97 + next(26)))),
  );
  const parts: Buffer[] = [];
  for (let length = 0; length < 300_000; length += parts.at(-1)?.length ?? 1)
    parts.push(words[next(next(400) + 1)] ?? Buffer.alloc(1));
  return Buffer.concat(parts).subarray(0, 300_000);
}
