import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { callEngine, describeOnEngines, type RealEngine } from '../support/real-engines.ts';
import { makeIndex, sha256, type Served } from '../support/images.ts';
import { putDocument, putImage } from '../support/layouts.ts';
import { loadableEntry, loadableImage, type LoadableImage } from '../support/loadable-images.ts';

/** Images and lists that are loaded into real engines. test/cli/engine-writes.test.ts covers faults on scripted engines. */

/** Names are unique, because engines keep images between runs. */
const run = `mlist-writes-${process.pid}-${Date.now()}`;
const name = (image: string) => `docker.io/${run}/${image}`;

const amd64 = loadableImage({ salt: run });
const arm64 = loadableImage({ salt: run, architecture: 'arm64' });
const windows = loadableImage({ salt: run, os: 'windows' });
const large = loadableImage({
  salt: run,
  fileBytes: 8 * 1024 * 1024,
  compress: (layer) => layer,
  layerType: 'application/vnd.oci.image.layer.v1.tar',
});
const broken = loadableImage({ salt: `${run} broken`, diffId: sha256(Buffer.from('another layer')) });
const list = makeIndex([amd64, arm64, windows].map(loadableEntry));

let layout: string;
beforeAll(async () => {
  layout = await temporaryFolder();
  await write('list', [amd64, arm64, windows], list);
  for (const [tag, image] of Object.entries({ windows, large, broken, amd64 })) await write(tag, [image], image);
});

async function write(tag: string, images: readonly LoadableImage[], root: Served): Promise<void> {
  const store = await openLayout(layout, { create: true });
  for (const image of images) await putImage(store, image);
  await putDocument(store, root, tag);
}

const source = (tag: string) => `oci:${layout}:${tag}`;

interface Loaded {
  readonly status: string;
  readonly digest: string;
  readonly left: readonly object[];
  readonly engine?: { readonly store: string; readonly id: string; readonly platforms: readonly string[] };
}

async function idOf(engine: RealEngine, image: string): Promise<string | undefined> {
  const { status, text } = await callEngine(engine, 'GET', `/images/${name(image)}/json`);
  if (status === 404) return undefined;
  const { Id } = JSON.parse(text) as { readonly Id: string };
  return Id.startsWith('sha256:') ? Id : `sha256:${Id}`;
}

/** An engine whose connections are cut before the archive is complete: this many bytes are missing at its end. */
async function cutEngine(socketPath: string, missing: number): Promise<string> {
  const path = join(await temporaryFolder(), 'engine.sock');
  const server = createServer((client) => {
    const engine = connect(socketPath);
    let left = Infinity;
    client.on('data', (chunk: Buffer) => {
      const length = /^content-length: (\d+)\r$/im.exec(chunk.toString('latin1'))?.[1];
      if (length !== undefined) left = Number(length) + chunk.indexOf('\r\n\r\n') + 4 - missing;
      engine.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      client.destroy();
      engine.end();
    });
    engine.pipe(client);
    for (const socket of [client, engine]) socket.on('error', () => undefined);
  });
  server.listen(path);
  await once(server, 'listening');
  cleanup({ close: () => void server.close() });
  return `unix://${path}`;
}

function socketOf({ host }: RealEngine): string {
  return host.slice('unix://'.length);
}

/** The names that a test has written, so that they are removed. */
const written: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const remove of written.splice(0)) await remove().catch(() => undefined);
});

function target(engine: RealEngine, image: string): string {
  written.push(() => callEngine(engine, 'DELETE', `/images/${name(image)}?force=1`));
  return `${engine.prefix}:${run}/${image}`;
}

/** How many bytes of the archive are missing. An archive ends with 1024 zero bytes. */
const cuts: readonly (readonly [where: string, missing: number])[] = [
  ['in the middle', 4 * 1024 * 1024],
  ['shortly before its end', 1100],
];

describeOnEngines(
  'loading into the containerd store',
  (engine) => {
    const docker = (host = engine.host) => CliHarness.make({ env: { DOCKER_HOST: host } });

    test('a whole list is loaded, with images for other platforms, and then unchanged', async () => {
      const cli = await docker();
      const to = target(engine, 'list:1');
      const loaded = await cli.json<Loaded>('copy', source('list'), to);
      expect(loaded).toMatchObject({ status: 'copied', digest: list.digest });
      expect(loaded.engine).toEqual({
        store: 'containerd',
        id: list.digest,
        platforms: ['linux/amd64', 'linux/arm64', 'windows/amd64'],
      });
      expect(await idOf(engine, 'list:1')).toBe(list.digest);
      expect(await cli.json('copy', source('list'), to)).toMatchObject({ status: 'unchanged' });
      const read = await cli.must('inspect', '--raw', to);
      expect(read).toBe(list.bytes.toString());
    });

    test('one image of another platform is loaded from a list', async () => {
      const cli = await docker();
      const to = target(engine, 'windows:1');
      const loaded = await cli.json<Loaded>('copy', source('list'), to, '--platform', 'windows/amd64');
      expect(loaded.engine).toMatchObject({ id: loaded.digest, platforms: ['windows/amd64'] });
      expect(await cli.must('inspect', to, '--platform', 'windows/amd64')).toBe(windows.bytes.toString());
    });

    test('an image gets a second name', async () => {
      const cli = await docker();
      const to = target(engine, 'first:1');
      await cli.must('copy', source('amd64'), to);
      await cli.must('copy', to, target(engine, 'second:1'));
      expect(await idOf(engine, 'second:1')).toBe(amd64.digest);
    });

    test('an image that cannot be unpacked is a failure', async () => {
      const { code, stderr } = await (await docker()).run(['copy', source('broken'), target(engine, 'broken:1')]);
      expect([code, stderr]).toEqual([7, expect.stringContaining('Error unpacking image')]);
      expect(stderr).toContain('but cannot use it');
    });

    test.each(cuts)('a connection that is cut %s leaves no tag', async (_, missing) => {
      const cli = await docker(await cutEngine(socketOf(engine), missing));
      const { code } = await cli.run(['copy', source('large'), target(engine, 'cut:1')]);
      expect(code).toBe(7);
      expect(await idOf(engine, 'cut:1')).toBeUndefined();
    });
  },
  ['containerd'],
);

describeOnEngines(
  'loading into a store of single images',
  (engine) => {
    const connected = (host = engine.host) => CliHarness.make({ env: { DOCKER_HOST: host, CONTAINER_HOST: host } });

    test('an image for another platform is loaded from a list', async () => {
      const cli = await connected();
      const to = target(engine, 'arm:1');
      const loaded = await cli.json<Loaded>('copy', source('list'), to, '--platform', 'linux/arm64');
      expect(loaded).toMatchObject({ digest: arm64.digest, engine: { store: engine.name, id: arm64.id } });
      expect(await idOf(engine, 'arm:1')).toBe(arm64.id);
      expect(await cli.must('explain', to, '--platform', 'linux/arm64')).toContain('linux/arm64');
    });

    test('a list is refused, with the platforms to choose from', async () => {
      const { code, stderr } = await (await connected()).run(['copy', source('list'), target(engine, 'list:1')]);
      expect([code, stderr]).toEqual([2, expect.stringContaining('can store only single images')]);
      expect(stderr).toContain('--platform: linux/amd64, linux/arm64, windows/amd64');
    });

    test.each(cuts)('a connection that is cut %s leaves no tag', async (_, missing) => {
      const cli = await connected(await cutEngine(socketOf(engine), missing));
      const { code } = await cli.run(['copy', source('large'), target(engine, 'cut:1')]);
      expect(code).toBe(7);
      expect(await idOf(engine, 'cut:1')).toBeUndefined();
    });
  },
  ['classic', 'podman'],
);

describeOnEngines(
  'what the classic store cannot hold',
  (engine) => {
    test('a Windows image is refused with the reason of the engine', async () => {
      const cli = await CliHarness.make({ env: { DOCKER_HOST: engine.host } });
      const { code, stderr } = await cli.run(['copy', source('windows'), target(engine, 'windows:1')]);
      expect([code, stderr]).toEqual([7, expect.stringContaining('cannot load docker-daemon:')]);
      expect(stderr).toMatch(/windows/);
      expect(stderr).toContain('a Docker engine with the containerd image store');
      expect(await idOf(engine, 'windows:1')).toBeUndefined();
    });
  },
  ['classic'],
);
