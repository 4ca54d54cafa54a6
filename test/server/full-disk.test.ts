import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
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
    expect((await warning)[0]).toMatch(/^warning: GET \/v2\/damaged\/tags\/list failed with HTTP 500: .*damaged/);
  } finally {
    child.kill('SIGINT');
    await once(child, 'exit');
  }
});

test('`mlist serve` prints at the start which journal is damaged, and serves the other repositories', async () => {
  const dir = await temporaryFolder();
  await withRegistry({ dir }, async (served) => {
    for (const name of ['good', 'bad']) await putImage(served, name, imageOf('a'), 'v1');
  });
  const journal = '{"mlistJournal":1}\n{"changes":\n{"changes":[]}\n';
  await writeFile(join(dir, 'bad', 'index.journal'), journal);
  const child = spawn(program, [...first, 'serve', '--addr', '127.0.0.1:0', '--dir', dir, '--access-log', 'off']);
  try {
    const warning = once(createInterface(child.stderr), 'line') as Promise<[string]>;
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    expect((await warning)[0]).toMatch(/^warning: .*index\.journal is damaged: line 2 .*remove line 2\. /);
    const statuses = [];
    for (const path of ['bad', 'good']) statuses.push((await send(url, 'GET', `/v2/${path}/manifests/v1`)).status);
    expect(statuses).toEqual([500, 200]);
    expect(await readFile(join(dir, 'bad', 'index.journal'), 'utf8')).toBe(journal);
    expect((await send(url, 'DELETE', '/v2/bad/_mlist/repository')).status).toBe(202);
  } finally {
    child.kill('SIGINT');
    await once(child, 'exit');
  }
});

(process.platform === 'linux' ? test : test.skip)(
  'too many open files are answered with 503, until some are closed',
  async () => {
    const dir = await temporaryFolder();
    const command = ['-c', 'ulimit -n 64; exec "$@"', 'sh', program, ...first];
    const child = spawn('sh', [...command, 'serve', '--addr', '127.0.0.1:0', '--dir', dir, '--access-log', 'off']);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const others: Socket[] = [];
    try {
      const warnings = createInterface(child.stderr);
      const warning = once(warnings, 'line') as Promise<[string]>;
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      const blob = blobOf(Buffer.alloc(1000));
      const path = `/v2/app/blobs/uploads/?digest=${blob.descriptor.digest}`;
      const post = () => send(url, 'POST', path, { body: blob.bytes, agent });
      expect((await post()).status).toBe(201);
      const open = async (): Promise<void> => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
        others.push(socket);
        await once(socket, 'connect');
      };
      for (let count = 0; count < 60; count += 1) await open();
      // The registry accepts the connections some time after the system. It closes those that it cannot accept while a
      // request is using files, so further ones are opened.
      let refused = await post();
      for (let tries = 0; refused.status === 201 && tries < 1000; tries += 1) {
        await open();
        refused = await post();
      }
      expect([refused.status, refused.headers['retry-after'], codesOf(refused)]).toEqual([503, '1', ['UNAVAILABLE']]);
      expect((await warning)[0]).toMatch(/failed with HTTP 503: .*too many open files \(EMFILE\)/);
      for (const socket of others) socket.destroy();
      let { status } = await post();
      for (let tries = 0; status !== 201 && tries < 1000; tries += 1) ({ status } = await post());
      expect(status).toBe(201);
    } finally {
      agent.destroy();
      for (const socket of others) socket.destroy();
      child.kill('SIGINT');
      await once(child, 'exit');
    }
  },
);
