import { join } from 'node:path';
import { measured, startTarget, writeArchive } from './large-layer.ts';
import type { BenchContext } from './main.ts';
import { median, print } from './measure.ts';
import { isInstalled } from './tools.ts';

const ROUNDS = 3;

/** CPU time and memory of compressing the layers of a docker archive, compared with skopeo. */
export async function benchCompression({ root, folder }: BenchContext): Promise<void> {
  const program = join(root, 'dist', 'cli', 'mlist.js');
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
      const registry = await startTarget();
      const own = join(folder, 'homes', `${name}-${round}`);
      times.push((await measured(command(`${registry.host}/copied/app:v1`), own)).cpuSeconds);
      await registry.close();
    }
    print(`   ${name.padEnd(10)} ${median(times).toFixed(2)} s CPU`);
  }
  print('\n## peak memory of mlist with one layer of 2 GiB   aim: at most 150 MiB');
  await writeArchive(path, 2048);
  for (const [name, stdin] of [['a file'], ['stdin', path]] as const) {
    const registry = await startTarget();
    const source = stdin === undefined ? `docker-archive:${path}` : 'docker-archive:-';
    const command = mlist(source, `${registry.host}/copied/app:v1`);
    const { peakMib, seconds } = await measured(command, join(folder, 'homes', name), { stdin });
    await registry.close();
    print(`   from ${name.padEnd(8)} ${peakMib.toFixed(0)} MiB, ${seconds.toFixed(0)} s`);
  }
}
