import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { startRegistry } from '../../src/server/start-registry.ts';
import { FileSink } from '../../src/store/archive/tar/file-sink.ts';
import { TarWriter } from '../../src/store/archive/tar/tar-writer.ts';
import { BLOCK, headerOf } from '../store/archive/tar-bytes.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { Peak } from './peak.ts';
import { environmentIn } from './tools.ts';

/** Copies of a large uncompressed layer, for the benchmarks of compression. */

const MIB = 1024 * 1024;

export function startTarget(): Promise<Registry> {
  return programPath('docker-registry') === undefined ? startRegistry() : startDockerRegistry();
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

/**
 * Runs a command with an empty home folder.
 * @param own - the home folder
 * @param options - `stdin`: a file that is piped to the command; `env`: further variables
 */
export async function measured(
  command: readonly string[],
  own: string,
  { stdin, env = {} }: { readonly stdin?: string | undefined; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Measured> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit'],
    env: { ...process.env, ...environmentIn(own), ...env },
  });
  const peak = new Peak();
  if (child.pid !== undefined) peak.watch(child.pid);
  let ticks = 0;
  const timer = setInterval(() => void cpuTicks(child.pid).then((now) => (ticks = Math.max(ticks, now))), 20);
  if (stdin !== undefined && child.stdin !== null) createReadStream(stdin).pipe(child.stdin);
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  clearInterval(timer);
  peak.stop();
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${String(code)}`);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: ticks / 100, peakMib: peak.kib / 1024 };
}

/** User and system time of a process in hundredths of a second, from /proc; 0 where there is none. */
export async function cpuTicks(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length > 13 ? Number(fields[11]) + Number(fields[12]) : 0;
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
