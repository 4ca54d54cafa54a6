import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';

/** Runs other tools for comparison, if they are installed. */

const run = promisify(execFile);

/** Runs a program and returns its stdout; rejects if it fails. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  return (await run(program, args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--help']).error === undefined;
}

/** Tests that need a program. If it is not found, they are skipped, and their title states the reason. */
export function describeWith(program: string, title: string, tests: () => void): void {
  if (isInstalled(program)) describe(`${title} (${program})`, tests);
  else describe.skip(`${title} (skipped: ${program} is not on PATH)`, tests);
}
