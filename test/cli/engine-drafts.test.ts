import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { savedImage, startEngine, type ScriptedEngine } from '../support/scripted-engine.ts';
import { headerOf } from '../store/archive/tar-bytes.ts';

/** Drafts of images from engines that keep no manifests: the classic store of Docker, and podman. */

const amd64 = savedImage('team/x8664-test');
const arm64 = savedImage('team/arm64v8-test', { architecture: 'arm64' });

let registry: RunningRegistry;
const requests: string[] = [];
beforeEach(async () => {
  requests.length = 0;
  registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
});
afterEach(() => registry.close());

const at = (name: string) => `${registry.host}/team/${name}`;
const exportsOf = ({ requests: sent }: ScriptedEngine) => sent.filter((target) => target.startsWith('/images/get'));

interface Stored {
  readonly entries: readonly {
    readonly source: string;
    readonly image?: { readonly id: string; readonly layers: readonly string[] };
    readonly digest?: string;
    readonly size?: number;
    readonly mediaType?: string;
  }[];
}

async function draftIn(cli: CliHarness): Promise<Stored> {
  const folder = join(cli.workspace, 'drafts');
  const [name = ''] = (await readdir(folder)).filter((file) => file.endsWith('.json'));
  return JSON.parse(await readFile(join(folder, name), 'utf8')) as Stored;
}

async function setUp(): Promise<{ readonly cli: CliHarness; readonly engine: ScriptedEngine }> {
  const engine = await startEngine('classic', { 'team/x8664-test': amd64, 'team/arm64v8-test': arm64 });
  return { engine, cli: await CliHarness.make({ env: { DOCKER_HOST: engine.host } }) };
}

const sources = ['docker-daemon:team/x8664-test', 'docker-daemon:team/arm64v8-test'];

describe('images of the classic store', () => {
  test('create, annotate and push a list with its images', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    expect(exportsOf(engine)).toEqual([]);
    const before = await draftIn(cli);
    expect(before.entries[0]).toMatchObject({ source: 'docker-daemon:docker.io/team/x8664-test:latest' });
    expect(before.entries[0]?.image).toEqual({ id: amd64.id, layers: amd64.description.RootFS.Layers });
    expect(Object.keys(before.entries[0] ?? {})).not.toContain('digest');
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = await cli.must('push');
    expect(exportsOf(engine)).toHaveLength(2);
    expect(await cli.must('digest', `docker://${at('test')}`)).toBe(digest);
    await cli.must('validate', '--deep', `docker://${at('test')}`);
    const index = await cli.json<{ entries: readonly { digest: string; platform: object }[] }>(
      'show',
      `docker://${at('test')}`,
    );
    expect(index.entries.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux', variant: 'v8' },
    ]);
    const after = await draftIn(cli);
    expect(after.entries.map((entry) => [entry.image?.id, entry.digest])).toEqual([
      [amd64.id, index.entries[0]?.digest],
      [arm64.id, index.entries[1]?.digest],
    ]);
  });

  test('a second push is one HEAD request, and needs no engine', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    const digest = await cli.must('push');
    engine.requests.length = 0;
    requests.length = 0;
    expect(await cli.must('push')).toBe(digest);
    expect(requests.filter((request) => !request.endsWith('/v2/'))).toEqual(['HEAD /v2/team/test/manifests/latest']);
    expect(engine.requests).toEqual([]);
  });

  test('the digests are the same for every push', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('one'), ...sources);
    await cli.must('create', at('two'), ...sources);
    expect(await cli.must('push', at('one'))).toBe(await cli.must('push', at('two')));
  });

  test('an image of another registry is pushed after the first push', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), ...sources);
    const digest = await cli.must('push');
    const other = await startRegistry();
    try {
      expect(await cli.must('push', '--to', `${other.host}/team/other:1`)).toBe(digest);
      await cli.must('validate', '--deep', `docker://${other.host}/team/other:1`);
    } finally {
      await other.close();
    }
  });

  test('show prints the image; digest, diff and inspect say that the list must be pushed', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), ...sources);
    const shown = await cli.must('show');
    expect(shown).toContain(`image ${amd64.id.slice(7, 19)} (digest after push)`);
    expect(shown).toContain('known after the push');
    const view = await cli.json<{ digest?: string; entries: readonly { image?: string; digest?: string }[] }>('show');
    expect([view.digest, view.entries[0]?.image, view.entries[0]?.digest]).toEqual([undefined, amd64.id, undefined]);
    for (const args of [['digest'], ['diff'], ['inspect'], ['export'], ['explain'], ['validate', '--deep']]) {
      const { code, stderr } = await cli.run(args);
      expect([args, code, stderr]).toEqual([args, 2, expect.stringContaining('is unknown until it is pushed')]);
      expect(stderr).toContain(`mlist push ${at('test')}:latest`);
    }
    await cli.must('validate');
  });

  test('creating the same draft again changes nothing, also after the push', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), ...sources);
    await cli.must('create', at('test'), ...sources);
    await cli.must('push');
    const pushed = await draftIn(cli);
    await cli.must('create', at('test'), ...sources);
    const amended = await cli.json<{ changes: readonly { type: string }[] }>(
      'create',
      '--amend',
      at('test'),
      ...sources,
    );
    expect(amended.changes).toEqual([]);
    expect(await draftIn(cli)).toEqual(pushed);
  });

  test('create --amend reads the image that now has the name', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    await cli.must('push');
    const rebuilt = savedImage('team/x8664-test', { layers: [Buffer.alloc(2048, 'rebuilt')] });
    engine.images.set('team/x8664-test', rebuilt);
    await cli.must('create', '--amend', at('test'));
    const [first, second] = (await draftIn(cli)).entries;
    expect([first?.image?.id, first?.digest, typeof second?.digest]).toEqual([rebuilt.id, undefined, 'string']);
    await cli.must('push');
  });

  test('a name that has moved: the pinned image is pushed, with a note', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    const rebuilt = savedImage('team/x8664-test', { layers: [Buffer.alloc(2048, 'rebuilt')] });
    engine.images.set('team/x8664-test', rebuilt);
    engine.images.set('dangling', amd64);
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`now refers to another image (${rebuilt.id.slice(7, 19)})`),
    ]);
    const [manifest] = (await draftIn(cli)).entries;
    const child = JSON.parse(await cli.must('inspect', `${at('test')}@${manifest?.digest ?? ''}`)) as {
      readonly config: { readonly digest: string };
    };
    expect(child.config.digest).toBe(amd64.id);
  });

  test('an image that is gone ends the push with 4', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    engine.images.delete('team/x8664-test');
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([4, expect.stringContaining('no longer exists in its engine')]);
    expect(stderr).toContain(`mlist create --amend ${at('test')}:latest`);
    expect(requests.filter((request) => request.startsWith('PUT'))).toEqual([]);
  });

  test('an engine that fails during the push: nothing is written', async () => {
    const { cli, engine } = await setUp();
    await cli.must('create', at('test'), ...sources);
    engine.fault = (request, response) => {
      if (request.url?.includes('/images/get') !== true) return false;
      response.writeHead(200).write(Buffer.concat([headerOf({ name: 'layer.tar', size: 1e6 }), Buffer.alloc(1024, 1)]));
      setTimeout(() => response.destroy(), 20);
      return true;
    };
    const { code } = await cli.run(['push']);
    expect(code).toBe(7);
    expect(requests.filter((request) => request.startsWith('PUT'))).toEqual([]);
  });

  test('an image is pushed by an edit of a list in a registry, and by create --push', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), sources[0] ?? '', '--push');
    await cli.must('rm', at('test'));
    await cli.must('add', at('test'), sources[1] ?? '', '--push');
    const { entries } = await cli.json<{ entries: readonly object[] }>('show', `docker://${at('test')}`);
    expect(entries).toHaveLength(2);
  });

  test('--compression generates the manifests again, and the draft records them', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), sources[0] ?? '');
    const compressed = await cli.must('push');
    const uncompressed = await cli.must('push', '--compression', 'none');
    expect(uncompressed).not.toBe(compressed);
    const [entry] = (await draftIn(cli)).entries;
    const child = JSON.parse(await cli.must('inspect', `${at('test')}@${entry?.digest ?? ''}`)) as {
      readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
    };
    expect(child.layers).toMatchObject([
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: amd64.description.RootFS.Layers[0] },
    ]);
    expect(await cli.must('push')).toBe(uncompressed);
    expect(await cli.must('push', '--compression', 'gzip')).toBe(compressed);
  });

  test('the library creates and pushes an index', async () => {
    const engine = await startEngine('classic', { 'team/x8664-test': amd64 });
    const client = cleanup(createClient({ env: { DOCKER_HOST: engine.host } }));
    const index = await client.createIndex(sources.slice(0, 1));
    const { descriptor } = await client.pushIndex(index, at('library'));
    expect(descriptor.digest).toBe(index.descriptor.digest);
  });

  test('create --pin names the image by its ID', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), sources[0] ?? '', '--pin');
    expect((await draftIn(cli)).entries[0]?.source).toBe(`docker-daemon:${amd64.id}`);
    await cli.must('push');
    await cli.must('create', '--amend', at('test'));
  });

  test('the draft of a list in a registry called podman can be read again', async () => {
    const { cli } = await setUp();
    await cli.must('create', 'docker://podman:5000/team/test', ...sources);
    expect(await cli.must('show')).toContain('podman:5000/team/test:latest');
  });

  test('annotate and remove select an image by its source and by its ID', async () => {
    const { cli } = await setUp();
    await cli.must('create', at('test'), ...sources);
    await cli.must('annotate', at('test'), sources[1] ?? '', '--variant', 'v8');
    await cli.must('remove', at('test'), amd64.id.slice(7, 19));
    expect((await draftIn(cli)).entries.map(({ image }) => image?.id)).toEqual([arm64.id]);
  });
});

describe('podman', () => {
  test('the variant that inspect does not state is completed by the push', async () => {
    const image = savedImage('app', { architecture: 'arm', variant: 'v7', statesVariant: false });
    const engine = await startEngine('podman', { app: image });
    const cli = await CliHarness.make({ env: { CONTAINER_HOST: engine.host } });
    await cli.must('create', at('test'), 'podman:app');
    await cli.must('push');
    const { entries } = await cli.json<{ entries: readonly { platform: object }[] }>('show', `docker://${at('test')}`);
    expect(entries[0]?.platform).toEqual({ architecture: 'arm', os: 'linux', variant: 'v7' });
  });

  test('a platform that contradicts the config is a warning', async () => {
    const image = savedImage('app', { architecture: 'arm', variant: 'v7', statesVariant: false });
    const engine = await startEngine('podman', { app: image });
    const cli = await CliHarness.make({ env: { CONTAINER_HOST: engine.host } });
    await cli.must('create', at('test'), 'podman:app=linux/arm/v6');
    const { code, stderr } = await cli.run(['push']);
    expect(code).toBe(0);
    expect(stderr).toContain('is listed for linux/arm/v6, but its config states linux/arm/v7');
  });
});
