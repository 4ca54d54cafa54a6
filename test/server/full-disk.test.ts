import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { blobOf, imageOf } from '../store/samples.ts';
import { canMount, fill, mountDisk } from '../support/disks.ts';
import { programCommand } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';
import { codesOf, putImage, send, withRegistry } from './client.ts';

const [program, ...first] = programCommand();
const isRoot = await canMount();

(isRoot ? test : test.skip)('a full disk is answered with 507, and what was stored before is served', async () => {
  const dir = join(await temporaryFolder(), 'disk');
  await mountDisk(dir);
  await withRegistry({ dir }, async (served) => {
    const image = imageOf('a');
    await putImage(served, 'app', image, 'v1');
    await fill(dir);
    const blob = await served.putBlob('app', blobOf('x'.repeat(100_000)));
    const manifest = await served.putManifest('app', image.manifest, 'v2');
    for (const answer of [blob, manifest]) expect([answer.status, codesOf(answer)]).toEqual([507, ['UNAVAILABLE']]);
    expect((await served.get('/v2/app/manifests/v1')).status).toBe(200);
  });
});

test('`mlist serve` prints why it answered 500', async () => {
  const dir = await temporaryFolder();
  await mkdir(join(dir, 'damaged'));
  await writeFile(join(dir, 'damaged', 'oci-layout'), '{');
  const child = spawn(program, [...first, 'serve', '--addr', '127.0.0.1:0', '--dir', dir]);
  try {
    const warning = once(createInterface(child.stderr), 'line') as Promise<[string]>;
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    const answer = await send(url, 'GET', '/v2/damaged/tags/list');
    expect([answer.status, codesOf(answer)]).toEqual([500, ['UNKNOWN']]);
    expect(answer.body.toString()).not.toContain(dir);
    expect((await warning)[0]).toMatch(/^warning: GET \/v2\/damaged\/tags\/list failed with 500: .*damaged/);
  } finally {
    child.kill('SIGINT');
    await once(child, 'exit');
  }
});
