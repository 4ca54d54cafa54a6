import { watch } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { fileNameOf } from '../../src/draft/workspace/workspace.ts';
import { withLock } from '../../src/fs/lock.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { runMlist, startMlist, until } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** Waits of the built program if the clock jumps an hour ahead at each reading. */
async function jumpingClock(folder: string): Promise<Readonly<Record<string, string>>> {
  const preload = join(folder, 'clock.cjs');
  await writeFile(preload, 'const now = Date.now; let hours = 0; Date.now = () => now() + 3_600_000 * (hours += 1);');
  return { HOME: folder, NODE_OPTIONS: `--require ${JSON.stringify(preload)}` };
}

test('join --wait', async () => {
  const registry = await startRegistry();
  const proxy = await RecordingProxy.start({ upstream: registry.url });
  const folder = await temporaryFolder();
  for (const architecture of ['amd64', 'arm64']) {
    const image = makeImage({ kind: 'oci', platform: { architecture, os: 'linux' } });
    await pushImage(registry.url, 'team/app', architecture, image);
  }
  const args = (architecture: string) => [
    ...['join', `${proxy.host}/team/app:v1`, `${proxy.host}/team/app:${architecture}`],
    ...['--group', '1', '--expect', 'linux/amd64,linux/arm64'],
  ];
  const { ended } = startMlist([...args('amd64'), '--wait', '10m'], await jumpingClock(folder));
  await until(() => proxy.requestsMatching(/^GET .*\/manifests\/v1$/).length >= 4, ended);
  expect(await runMlist(args('arm64'), { HOME: folder })).toMatchObject({ code: 0 });
  expect(await ended).toMatchObject({ code: 0 });
  await proxy.close();
  await registry.close();
});

test('the lock of a draft', async () => {
  const folder = await temporaryFolder();
  const list = 'registry.example/team/app:v1';
  const locks = join(folder, 'workspace', 'locks');
  await mkdir(locks, { recursive: true });
  const env = { ...(await jumpingClock(folder)), MLIST_WORKSPACE: join(folder, 'workspace') };
  let changes = 0;
  const watcher = watch(locks, () => (changes += 1));
  const { ended } = await withLock(join(locks, `${fileNameOf(parseReference(list))}.lock`), async () => {
    const started = startMlist(['create', list], env);
    await until(() => changes >= 20, started.ended);
    return started;
  });
  watcher.close();
  expect(await ended).toMatchObject({ code: 0 });
});
