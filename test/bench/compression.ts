import { join } from 'node:path';
import { runAll, type Command } from './command.ts';
import { startTarget, writeArchive } from './large-layer.ts';
import type { BenchContext } from './main.ts';
import { median, print } from './measure.ts';
import { environmentIn, isInstalled, mlistOf, skopeo } from './tools.ts';

const ROUNDS = 3;

/** CPU time and memory of compressing the layers of a docker archive, compared with skopeo. */
export async function benchCompression(context: BenchContext): Promise<void> {
  const { folder, rounds = ROUNDS } = context;
  const program = mlistOf(context, '--compression', 'gzip', '--quiet');
  const mlist = (source: string, target: string) => program('copy', source, target);
  const path = join(folder, 'saved.tar');
  await writeArchive(path, 100);
  print(`\n## copy one layer of 100 MiB   aim: at most 1.3 times the CPU time of skopeo; rounds: ${rounds}`);
  const tools: Record<string, (target: string) => Command> = {
    mlist: (target) => mlist(`docker-archive:${path}`, target),
    skopeo: (target) =>
      skopeo(
        ...['--insecure-policy', 'copy', '--dest-tls-verify=false', '--quiet'],
        ...[`docker-archive:${path}`, `docker://${target}`],
      ),
  };
  for (const [name, command] of Object.entries(tools)) {
    if (name !== 'mlist' && !isInstalled(name)) continue;
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const registry = await startTarget();
      const own = join(folder, 'homes', `${name}-${round}`);
      const { cpuMilliseconds } = await runAll([command(`${registry.host}/copied/app:v1`)], environmentIn(own));
      times.push(cpuMilliseconds / 1000);
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
    const env = environmentIn(join(folder, 'homes', name));
    const { peakMib, milliseconds } = await runAll([{ ...command, stdin }], env);
    await registry.close();
    print(`   from ${name.padEnd(8)} ${peakMib.toFixed(0)} MiB, ${(milliseconds / 1000).toFixed(0)} s`);
  }
}
