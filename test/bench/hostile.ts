import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostileDocuments } from '../support/hostile.ts';
import type { Place } from './main.ts';
import { print } from './measure.ts';

/** How long and how much memory a document of 4 MiB takes until it is refused. The aim: a second, and 200 MiB. */
export async function benchHostile({ root, folder }: Place): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  for (const [name, text] of Object.entries(hostileDocuments)) {
    const path = join(folder, 'hostile.json');
    await writeFile(path, text());
    const { milliseconds, peak } = await peakOf([program, 'validate', path]);
    print(`${name.padEnd(40)} ${milliseconds.toFixed(0).padStart(5)} ms  ${(peak / 1024).toFixed(0).padStart(4)} MiB`);
  }
}

/** The peak is read from /proc while the process runs: what a parent is told afterwards may be its own. */
async function peakOf(args: readonly string[]): Promise<{ readonly milliseconds: number; readonly peak: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  let peak = 0;
  const sample = async () => {
    const status = await readFile(`/proc/${String(child.pid)}/status`, 'utf8').catch(() => '');
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  };
  const timer = setInterval(() => void sample(), 5);
  await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(timer);
  return { milliseconds: performance.now() - started, peak };
}
