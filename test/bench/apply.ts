import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRegistry } from '../../src/index.ts';
import { makeImage, pushImage } from '../support/images.ts';
import type { Place } from './main.ts';
import { print } from './measure.ts';

const COUNTS = [250, 500, 1000];
const ENTRIES = 4;
const architectures = ['amd64', 'arm64', 's390x', 'riscv64'];

/** Many lists at once: time is to grow with their number, memory not, and a second run is to write nothing. */
export async function benchApply({ root, folder }: Place): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  for (const count of COUNTS) {
    // A registry, a workspace and images of its own for each: nothing is there from the one before.
    const registry = await startRegistry();
    const names = await pushImages(registry, count);
    const path = join(folder, `lists-${count}.yaml`);
    const poisoned = '---\nlist: "no end\n';
    const specs = names.map((name) => specOf(registry.host, name));
    await writeFile(path, [...specs.slice(0, count / 2), poisoned, ...specs.slice(count / 2)].join(''));
    const args = [program, 'apply', '-f', path, '--json', '--workspace', join(folder, `workspace-${count}`)];
    for (const run of ['first ', 'second']) {
      const { milliseconds, peak, stdout, stderr } = await measure(args);
      const { counts, writes } = JSON.parse(stdout) as { counts: Record<string, number>; writes: number };
      const said = Object.entries(counts).flatMap(([status, one]) => (one === 0 ? [] : [`${one} ${status}`]));
      const line = /lists-\d+\.yaml:\d+:\d+/.exec(stderr)?.[0] ?? 'nothing';
      print(
        `${String(count).padStart(5)} lists, ${run} run ${(milliseconds / 1000).toFixed(2).padStart(6)} s ` +
          `${(milliseconds / count).toFixed(2)} ms each  ${(peak / 1024).toFixed(0).padStart(4)} MiB  ` +
          `${said.join(', ')}; ${writes} writes; refused: ${line}`,
      );
    }
    await registry.close();
  }
}

/** Every list has images of its own, so that nothing is saved by what lists share. */
async function pushImages(registry: { readonly url: string }, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, at) => `bench/app${at}`);
  for (const name of names) {
    await Promise.all(
      architectures
        .slice(0, ENTRIES)
        .map((architecture) =>
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

function specOf(host: string, name: string): string {
  const images = architectures.slice(0, ENTRIES).map((architecture) => `  - ${host}/${name}:${architecture}\n`);
  return `---\nlist: ${host}/${name}:list\nmanifests:\n${images.join('')}`;
}

interface Measured {
  readonly milliseconds: number;
  /** KiB of resident memory. */
  readonly peak: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The peak is read from /proc while the process runs: what a parent is told afterwards may be its own. */
async function measure(args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  let peak = 0;
  const sample = async () => {
    const status = await readFile(`/proc/${String(child.pid)}/status`, 'utf8').catch(() => '');
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  };
  const timer = setInterval(() => void sample(), 5);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString('utf8');
  return { milliseconds: performance.now() - started, peak, stdout: text(stdout), stderr: text(stderr) };
}
