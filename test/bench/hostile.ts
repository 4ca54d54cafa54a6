import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostileDocuments } from '../support/hostile-input.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { Peak } from './command.ts';

/** Time and memory until a document of 4 MiB is refused. The limits are a second and 200 MiB. */
export async function benchHostile({ root, folder }: BenchContext): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  for (const [name, text] of Object.entries(hostileDocuments)) {
    const path = join(folder, 'hostile.json');
    await writeFile(path, text());
    const { milliseconds, peak } = await peakOf([program, 'validate', path]);
    print(`${name.padEnd(40)} ${milliseconds.toFixed(0).padStart(5)} ms  ${(peak / 1024).toFixed(0).padStart(4)} MiB`);
  }
}

async function peakOf(args: readonly string[]): Promise<{ readonly milliseconds: number; readonly peak: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const peak = new Peak(child.pid);
  await new Promise((resolve) => child.once('exit', resolve));
  peak.stop();
  return { milliseconds: performance.now() - started, peak: peak.kib };
}
