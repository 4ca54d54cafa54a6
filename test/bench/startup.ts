import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import type { BenchContext } from './main.ts';
import { inTurn, median, print, timeOf } from './measure.ts';

const ROUNDS = 41;

/** Duration of local commands, relative to an empty Node program. The goals and results are in decision 3. */
export async function benchStartup({ root, folder }: BenchContext): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
  const env = { MLIST_WORKSPACE: join(folder, 'workspace') };
  const registry = await startRegistry();
  await pushImage(registry.url, 'bench/app', 'arm64', makeImage({ platform: { architecture: 'arm64', os: 'linux' } }));
  await timeOf(
    [process.execPath, program, 'create', `${registry.host}/bench/app:list`, `${registry.host}/bench/app:arm64`],
    env,
  );
  await registry.close();

  // `npm run build:binary` builds it. `build/` has a folder for each platform that it was built for.
  const executable = join(root, 'build', `${process.platform}-${process.arch}`, 'mlist');
  const edit = () => ['annotate', '--variant', `v${(edits += 1)}`];
  let edits = 0;
  const durations = await inTurn<string>(ROUNDS, {
    'node -e 0': () => timeOf([process.execPath, '-e', '0'], env),
    'mlist ls': () => timeOf([process.execPath, program, 'ls'], env),
    'mlist ls, no compile cache': () =>
      timeOf([process.execPath, program, 'ls'], { ...env, NODE_DISABLE_COMPILE_CACHE: '1' }),
    'mlist annotate': () => timeOf([process.execPath, program, ...edit()], env),
    ...(existsSync(executable) && {
      'executable ls': () => timeOf([executable, 'ls'], env),
      'executable annotate': () => timeOf([executable, ...edit()], env),
    }),
  });
  const base = durations['node -e 0'] ?? [];
  for (const [name, times] of Object.entries(durations).slice(1)) {
    const pairs = times.map((time, round) => time / (base[round] ?? time));
    print(
      `${name.padEnd(32)} ${(median(times) / median(base)).toFixed(2)} times node -e 0 by medians, ${median(pairs).toFixed(2)} by the median of pairs (${ROUNDS} rounds)`,
    );
  }
}
