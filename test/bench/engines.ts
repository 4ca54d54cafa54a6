import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { runAll, type Measured } from './command.ts';
import { startTarget, writeArchive } from './large-layer.ts';
import type { BenchContext } from './main.ts';
import { median, print } from './measure.ts';
import { environmentIn, isInstalled, mlistOf, skopeo } from './tools.ts';

/** CPU time and memory of copying an image from Docker's classic store, compared with skopeo. */
export async function benchEngines(context: BenchContext): Promise<void> {
  const { folder } = context;
  const host = process.env['DOCKER_CLASSIC_HOST'] ?? '';
  if (!host.startsWith('unix://')) return print('   skipped: DOCKER_CLASSIC_HOST is not the address of a socket');
  const env = { DOCKER_HOST: host };
  const socket = host.slice('unix://'.length);
  const path = join(folder, 'saved.tar');
  const mlist = (target: string) => mlistOf(context, '--quiet')('copy', 'docker-daemon:app:v1', target);
  const skopeoCopy = (target: string) =>
    skopeo(
      ...['--insecure-policy', 'copy', '--dest-tls-verify=false', '--quiet', '--src-daemon-host', host],
      ...['docker-daemon:app:v1', `docker://${target}`],
    );
  print('\n   aim: at most 1.3 times the CPU time of skopeo, and 150 MiB for any layer');
  for (const [mib, rounds] of [
    [100, 3],
    [2048, 1],
  ] as const) {
    print(`\n## copy one layer of ${mib} MiB   rounds: ${rounds}`);
    await load(socket, path, mib);
    for (const [name, command] of [['mlist', mlist] as const, ['skopeo', skopeoCopy] as const]) {
      if (name !== 'mlist' && !isInstalled(name)) continue;
      const runs: Measured[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const registry = await startTarget();
        const own = environmentIn(join(folder, 'homes', `${name}-${mib}-${round}`));
        runs.push(await runAll([command(`${registry.host}/copied/app:v1`)], { ...own, ...env }));
        await registry.close();
      }
      const cpu = median(runs.map(({ cpuMilliseconds }) => cpuMilliseconds / 1000)).toFixed(2);
      const peak = Math.max(...runs.map(({ peakMib }) => peakMib)).toFixed(0);
      print(`   ${name.padEnd(10)} ${cpu} s CPU, ${peak} MiB`);
    }
  }
  await send(socket, 'DELETE', '/images/app:v1?force=true');
}

/** Loads an image with one layer into the engine as `app:v1`. */
async function load(socketPath: string, path: string, mib: number): Promise<void> {
  await writeArchive(path, mib);
  await send(socketPath, 'POST', '/images/load', path);
}

/** Docker reports errors of loads in the body of a response with status 200. */
async function send(socketPath: string, method: string, path: string, file?: string): Promise<void> {
  const length = file === undefined ? 0 : (await stat(file)).size;
  await new Promise<void>((resolve, reject) => {
    const headers = { Host: 'engine', 'Content-Type': 'application/x-tar', 'Content-Length': length };
    const sent = request({ socketPath, method, path, headers }, (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => (body += text))
        .on('error', reject)
        .on('end', () => {
          const { statusCode = 0 } = response;
          if (statusCode < 300 && !body.includes('"error"')) resolve();
          else reject(new Error(`${method} ${path}: HTTP ${statusCode} ${body}`));
        });
    });
    sent.on('error', reject);
    if (file === undefined) sent.end();
    else createReadStream(file).on('error', reject).pipe(sent);
  });
}
