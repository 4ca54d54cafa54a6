import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';

/** Other tools to compare with, where the machine has them. */

const run = promisify(execFile);

/** Runs a program to its end; rejects where it fails. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  return (await run(program, args, { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--help']).error === undefined;
}

/** Tests that need a program; where it is not found they are skipped, and their title says so. */
export function describeWith(program: string, title: string, tests: () => void): void {
  if (isThere(program)) describe(`${title} (${program})`, tests);
  else describe.skip(`${title} (skipped: ${program} is not on PATH)`, tests);
}
