import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness, type CliResult } from './cli-harness.ts';

/** Commands that run in another folder than that of the workspace, and a registry with a new repository for each test. */
export let registry: RunningRegistry;
export let cli: CliHarness;
/** The current folder of the command. */
export let here: string;
/** The repository of this test. */
export let repository: string;
/** The tag `v1` in that repository. */
export let list: string;

let rounds = 0;

/** Sets up each test of the file. All tests share the registry. */
export function runInOtherFolder(): void {
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
    here = join(cli.folder, 'ci', 'job');
    repository = `elsewhere/r${(rounds += 1)}`;
    list = `${registry.host}/${repository}:v1`;
    await mkdir(here, { recursive: true });
  });
}

export const run = (...args: readonly string[]): Promise<CliResult> => cli.run(args, { cwd: here });
