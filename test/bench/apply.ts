import { spawn } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { Peak } from './command.ts';

const COUNTS = [250, 500, 1000, 2000];
const architectures = ['amd64', 'arm64', 's390x', 'riscv64'];

/**
 * Applies many lists at once. Time may grow with their number, memory may not, and a second run must not write anything.
 * The peak includes garbage that was not collected yet. The live heap is measured in a separate run, which is slower
 * because it collects garbage continuously.
 */
export async function benchApply({ root, folder }: BenchContext): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  const watcher = join(folder, 'watch-heap.mjs');
  await writeFile(watcher, WATCHER);
  const alive: number[] = [];
  const specBytes: number[] = [];
  for (const count of COUNTS) {
    // Each count has its own registry, workspace and images.
    const registry = await startRegistry();
    const names = await pushImages(registry, count);
    const specs = async (tag: string): Promise<string> => {
      const path = join(folder, `lists-${count}-${tag}.yaml`);
      const texts = names.map((name) => specOf(registry.host, name, tag));
      const poisoned = '---\nlist: "no end\n';
      await writeFile(path, [...texts.slice(0, count / 2), poisoned, ...texts.slice(count / 2)].join(''));
      return path;
    };
    const apply = (path: string) => [
      program,
      'apply',
      '-f',
      path,
      '--json',
      '--workspace',
      join(folder, `ws-${count}`),
    ];
    const path = await specs('list');
    for (const run of ['first ', 'second']) printRun(count, run, await measure(apply(path)));
    const result = join(folder, `alive-${count}`);
    const watched = await measure(['--expose-gc', '--import', watcher, ...apply(await specs('other'))], {
      ...process.env,
      MLIST_BENCH_ALIVE: result,
    });
    alive.push(Number(await readFile(result, 'utf8')));
    specBytes.push((await stat(path)).size);
    printRun(count, 'third ', watched, `${((alive.at(-1) ?? 0) / 1048576).toFixed(1)} MiB alive; `);
    await registry.close();
  }
  const per = (values: readonly number[]) =>
    Math.round(((values.at(-1) ?? 0) - (values[0] ?? 0)) / ((COUNTS.at(-1) ?? 0) - (COUNTS[0] ?? 0)));
  print(`      each further list: ${per(alive)} bytes alive, ${per(specBytes)} bytes of spec`);
}

/** Collects all garbage repeatedly, and writes the median size of the live heap. */
const WATCHER = `
import { writeFileSync } from 'node:fs';
const alive = [];
setInterval(() => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  alive.push(heapUsed + external);
}, 250).unref();
process.on('exit', () => {
  const sorted = alive.sort((left, right) => left - right);
  writeFileSync(process.env.MLIST_BENCH_ALIVE, String(sorted[Math.floor(sorted.length / 2)]));
});
`;

function printRun(count: number, run: string, { milliseconds, peak, stdout, stderr }: Measured, more = ''): void {
  const { counts, writes } = JSON.parse(stdout) as { counts: Record<string, number>; writes: number };
  const counted = Object.entries(counts).flatMap(([status, one]) => (one === 0 ? [] : [`${one} ${status}`]));
  const line = /lists-[\w-]+\.yaml:\d+:\d+/.exec(stderr)?.[0] ?? 'nothing';
  print(
    `${String(count).padStart(5)} lists, ${run} run ${(milliseconds / 1000).toFixed(2).padStart(6)} s ` +
      `${(milliseconds / count).toFixed(2)} ms each  peak ${(peak / 1024).toFixed(0).padStart(4)} MiB  ${more}` +
      `${counted.join(', ')}; ${writes} writes; refused: ${line}`,
  );
}

/** Each list has its own images, so that no requests are saved by shared content. */
async function pushImages(registry: { readonly url: string }, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, at) => `bench/app${at}`);
  for (const name of names) {
    await Promise.all(
      architectures.map((architecture) =>
        pushImage(
          registry.url,
          name,
          architecture,
          makeImage({ salt: `${name} ${architecture}`, platform: { architecture, os: 'linux' } }),
        ),
      ),
    );
  }
  return names;
}

function specOf(host: string, name: string, tag: string): string {
  const images = architectures.map((architecture) => `  - ${host}/${name}:${architecture}\n`);
  return `---\nlist: ${host}/${name}:${tag}\nmanifests:\n${images.join('')}`;
}

interface Measured {
  readonly milliseconds: number;
  /** Resident memory in KiB. */
  readonly peak: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function measure(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Measured> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const peak = new Peak(child.pid);
  await new Promise((resolve) => child.once('close', resolve));
  peak.stop();
  const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString('utf8');
  return { milliseconds: performance.now() - started, peak: peak.kib, stdout: text(stdout), stderr: text(stderr) };
}
