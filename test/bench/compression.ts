import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { FileSink } from '../../src/store/archive/tar/file-sink.ts';
import { TarWriter } from '../../src/store/archive/tar/tar-writer.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import type { BenchContext } from './main.ts';
import { median, print } from './measure.ts';
import { Peak } from './peak.ts';
import { environmentIn, isInstalled } from './tools.ts';

const MIB = 1024 * 1024;
const ROUNDS = 3;

/** CPU time and memory of compressing the layers of a docker archive, compared with skopeo. */
export async function benchCompression({ root, folder }: BenchContext): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  const start = (): Promise<Registry> =>
    programPath('docker-registry') === undefined ? startRegistry() : startDockerRegistry();
  const mlist = (source: string, target: string, more: readonly string[] = []) => [
    ...[process.execPath, program, 'copy', source, target, '--compression', 'gzip', '--quiet'],
    ...more,
  ];
  const path = join(folder, 'saved.tar');
  await writeArchive(path, 100);
  print(`\n## copy one layer of 100 MiB   aim: at most 1.3 times the CPU time of skopeo; rounds: ${ROUNDS}`);
  const tools: Record<string, (target: string) => readonly string[]> = {
    mlist: (target) => mlist(`docker-archive:${path}`, target),
    skopeo: (target) => [
      ...['skopeo', '--insecure-policy', 'copy', '--dest-tls-verify=false', '--quiet'],
      ...[`docker-archive:${path}`, `docker://${target}`],
    ],
  };
  for (const [name, command] of Object.entries(tools)) {
    if (name !== 'mlist' && !isInstalled(name)) continue;
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const registry = await start();
      const own = join(folder, 'homes', `${name}-${round}`);
      times.push((await measured(command(`${registry.host}/copied/app:v1`), own)).cpuSeconds);
      await registry.close();
    }
    print(`   ${name.padEnd(10)} ${median(times).toFixed(2)} s CPU`);
  }
  print('\n## peak memory of mlist with one layer of 2 GiB   aim: at most 150 MiB');
  await writeArchive(path, 2048);
  for (const [name, stdin] of [['a file'], ['stdin', path]] as const) {
    const registry = await start();
    const source = stdin === undefined ? `docker-archive:${path}` : 'docker-archive:-';
    const command = mlist(source, `${registry.host}/copied/app:v1`);
    const { peakMib, seconds } = await measured(command, join(folder, 'homes', name), stdin);
    await registry.close();
    print(`   from ${name.padEnd(8)} ${peakMib.toFixed(0)} MiB, ${seconds.toFixed(0)} s`);
  }
}

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

/** @param stdin - a file that is piped to the command */
async function measured(command: readonly string[], own: string, stdin?: string): Promise<Measured> {
  const [program = '', ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit'],
    env: { ...process.env, ...environmentIn(own) },
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
async function cpuTicks(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length > 13 ? Number(fields[11]) + Number(fields[12]) : 0;
}

/** Writes an archive like `docker save`, whose layer compresses about as well as an image of a distribution. */
async function writeArchive(path: string, mib: number): Promise<void> {
  const block = sample(32 * MIB);
  const hash = createHash('sha256');
  for (let at = 0; at < mib * MIB; at += block.length) hash.update(block.subarray(0, mib * MIB - at));
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${hash.digest('hex')}`] },
  };
  const writer = new TarWriter(await FileSink.create(path));
  function* layer(): Generator<Uint8Array> {
    for (let at = 0; at < mib * MIB; at += MIB) yield block.subarray(at % block.length, (at % block.length) + MIB);
  }
  await writer.add('a/layer.tar', mib * MIB, layer());
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
