import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createClient, systemMirrors, type OperationEvent } from '../../src/index.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';

/**
 * What a command writes to is read from the registry itself; its sources are read from the mirror. The mirror has stale tags
 * for all repositories, so a command that read its target there would also fail or lose an update.
 */
const amd64 = makeImage({ salt: 'a' });
const arm64 = makeImage({ salt: 'b', platform: { architecture: 'arm64', os: 'linux' } });
const list = makeIndex([entryOf(amd64, { os: 'linux', architecture: 'amd64' })]);
const stale = makeIndex([], { annotations: { of: 'the mirror' } });

let registry: RunningRegistry;
let mirror: RecordingProxy;
let cli: CliHarness;
let mirrored: string;

beforeEach(async () => {
  registry = cleanup(await startRegistry());
  const behind = cleanup(await startRegistry());
  for (const { url } of [registry, behind]) {
    await pushImage(url, 'team/src', 'amd64', amd64);
    await pushImage(url, 'team/src', 'arm64', arm64);
    await pushImage(url, 'team/app', undefined, amd64);
  }
  await putManifest(registry.url, 'team/app', '1', list.mediaType, list.bytes);
  await putManifest(behind.url, 'team/app', '1', stale.mediaType, stale.bytes);
  mirror = cleanup(await RecordingProxy.start({ upstream: behind.url }));
  cli = await CliHarness.make();
  mirrored = `${registry.host}=${mirror.url}`;
});

const at = (name: string) => `${registry.host}/${name}`;

/** The repositories that the mirror was asked for. */
function atMirror(): readonly string[] {
  return [...new Set(mirror.requests.map(({ path }) => /^\/v2\/(team\/[a-z]+)\//.exec(path)?.[1] ?? path))];
}

async function run(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await cli.run([...args, '--mirror', mirrored]);
  expect([args, code, stderr]).toEqual([args, 0, stderr]);
}

describe('the repository that a command writes to is not read from a mirror', () => {
  const commands: Readonly<Record<string, { readonly args: () => readonly string[]; readonly sources?: boolean }>> = {
    copy: { args: () => ['copy', at('team/src:amd64'), at('team/app:2')], sources: true },
    'copy in one repository': { args: () => ['copy', at('team/app:1'), at('team/app:2')] },
    'copy without a change': { args: () => ['copy', at('team/app:1'), at('team/app:1'), '--force'] },
    'create --push': { args: () => ['create', at('team/app:2'), at('team/src:amd64'), '--push'], sources: true },
    'create --push --dry-run': {
      args: () => ['create', at('team/app:1'), at('team/src:arm64'), at('team/app:1'), '--push', '--dry-run'],
      sources: true,
    },
    'create from the same repository': { args: () => ['create', at('team/app:1'), at('team/app:1')] },
    'create with another target': {
      args: () => ['create', at('team/new:1'), at('team/app:1'), '--push', '--tag', at('team/app:3')],
    },
    'add --push': {
      args: () => ['add', `docker://${at('team/app:1')}`, at('team/src:arm64'), '--push'],
      sources: true,
    },
    'annotate --push': {
      args: () => ['annotate', `docker://${at('team/app:1')}`, '--index-annotation', 'a=b', '--push'],
    },
    join: { args: () => ['join', at('team/app:1'), at('team/src:arm64')], sources: true },
    delete: { args: () => ['delete', `${at('team/app:1')}@${list.digest}`] },
  };

  test.each(Object.entries(commands))('%s', async (_name, { args, sources = false }) => {
    await run(...args());
    expect(atMirror()).toEqual(sources ? ['team/src'] : []);
  });

  test('push --if-digest', async () => {
    await run('create', at('team/app:1'), at('team/src:arm64'));
    await run('push', at('team/app:1'), '--if-digest', list.digest, '--replace-image');
    expect(atMirror()).toEqual(['team/src']);
  });

  test('push of a draft that is based on the list of the registry', async () => {
    await run('create', at('team/app:1'), at('team/app:1'));
    await run('annotate', at('team/app:1'), '--index-annotation', 'a=b');
    await run('push', at('team/app:1'));
    expect(atMirror()).toEqual([]);
    expect((await getManifest(registry.url, 'team/app', '1'))?.bytes.toString()).toContain(amd64.digest);
  });

  test('apply', async () => {
    const spec = join(cli.folder, 'lists.yaml');
    await mkdir(cli.folder, { recursive: true });
    const text = [`list: ${at('team/app:1')}`, 'manifests:', `  - image: ${at('team/src:arm64')}`, ''].join('\n');
    await writeFile(spec, text);
    await run('apply', '-f', spec, '--replace-image');
    expect(atMirror()).toEqual(['team/src']);
  });
});

test('content of a mirror is mounted if the target is in the registry of the source', async () => {
  await run('copy', at('team/src:amd64'), at('team/new:1'));
  expect(mirror.requestsMatching(/^GET .*blobs/)).toEqual([]);
});

describe('the library', () => {
  test('uses no mirrors by default, and reports those that it is given', async () => {
    const silent = cleanup(createClient());
    await silent.resolve(at('team/src:amd64'));
    expect(mirror.requests).toEqual([]);
    const events: OperationEvent[] = [];
    const mirrors = systemMirrors({ mirrors: [mirrored], readsFiles: false, env: {} });
    const client = cleanup(createClient({ mirrors, retries: 0, onEvent: (event) => events.push(event) }));
    expect((await client.resolve(at('team/src:amd64'))).digest).toBe(amd64.digest);
    expect(events).not.toContainEqual(expect.objectContaining({ type: 'mirror' }));
    await registry.close();
    await client.resolve(at('team/src:arm64'));
    expect(events).toContainEqual({ type: 'mirror', reference: at('team/src:arm64'), mirror: mirror.host });
  });

  test('systemMirrors reads the files of the user', async () => {
    const folder = join(cli.folder, '.config', 'containers');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'registries.conf'), `[[registry]]\nlocation = "${registry.host}"\nblocked = true\n`);
    const mirrors = systemMirrors({ env: {}, home: cli.folder, systemFolder: join(cli.folder, 'etc') });
    const client = cleanup(createClient({ mirrors }));
    await expect(client.resolve(at('team/src:amd64'))).rejects.toMatchObject({ code: 'ERR_MLIST_BLOCKED' });
  });
});
