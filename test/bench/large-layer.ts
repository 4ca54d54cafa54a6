import { createHash } from 'node:crypto';
import { startRegistry } from '../../src/server/start-registry.ts';
import { FileSink } from '../../src/store/archive/tar/file-sink.ts';
import { TarWriter } from '../../src/store/archive/tar/tar-writer.ts';
import { BLOCK, headerOf } from '../store/archive/tar-bytes.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';

/** Copies of a large uncompressed layer, for the benchmarks of compression. */

const MIB = 1024 * 1024;

export function startTarget(): Promise<Registry> {
  return programPath('docker-registry') === undefined ? startRegistry() : startDockerRegistry();
}

/** Writes an archive like `docker save`, whose layer compresses about as well as an image of a distribution. */
export async function writeArchive(path: string, mib: number): Promise<void> {
  const block = sample(32 * MIB);
  const header = headerOf({ name: 'data', size: mib * MIB });
  // The layer is a tar with one file.
  function* layer(): Generator<Uint8Array> {
    yield header;
    for (let at = 0; at < mib * MIB; at += MIB) yield block.subarray(at % block.length, (at % block.length) + MIB);
    yield Buffer.alloc(2 * BLOCK);
  }
  const hash = createHash('sha256');
  for (const chunk of layer()) hash.update(chunk);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${hash.digest('hex')}`] },
  };
  const writer = new TarWriter(await FileSink.create(path));
  await writer.add('a/layer.tar', mib * MIB + 3 * BLOCK, layer());
  await writer.addBytes('config.json', Buffer.from(JSON.stringify(config)));
  const list = [{ Config: 'config.json', RepoTags: ['app:v1'], Layers: ['a/layer.tar'] }];
  await writer.addBytes('manifest.json', Buffer.from(JSON.stringify(list)));
  await writer.finish();
}

/** Words, numbers and random bytes. */
function sample(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24;
  const words = Array.from({ length: 4096 }, () =>
    Buffer.from(Array.from({ length: 2 + (next() % 12) }, () => 97 + (next() % 26))),
  );
  for (let at = 0; at < length;) {
    const word =
      next() < 40 ? Buffer.from([next(), next(), next()]) : (words[(next() << 4) | (next() >> 4)] ?? Buffer.from(' '));
    word.copy(bytes, at);
    at += word.length;
  }
  return bytes;
}
