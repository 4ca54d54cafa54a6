import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as library from '../../src/index.ts';
import * as oci from '../../src/api/oci.ts';
import * as server from '../../src/api/server.ts';
import { makeImage, pushImage, sha256 } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { tarOf } from '../store/archive/tar-bytes.ts';

const { createClient, MlistError } = library;

let registry: server.RunningRegistry;
const images = {
  amd64: makeImage({ salt: 'api-amd64', platform: { os: 'linux', architecture: 'amd64' } }),
  arm64: makeImage({ salt: 'api-arm64', platform: { os: 'linux', architecture: 'arm64' } }),
};

beforeAll(async () => {
  registry = await server.startRegistry();
  for (const [tag, image] of Object.entries(images)) await pushImage(registry.url, 'team/app', tag, image);
});
afterAll(() => registry.close());

let client: library.Client;
let events: library.OperationEvent[];
const at = (name: string) => `${registry.host}/team/app:${name}`;

beforeEach(() => {
  events = [];
  client = cleanup(createClient({ onEvent: (event) => events.push(event) }));
});

test('the exports are these', () => {
  expect(Object.keys(library).sort()).toEqual([
    'MlistError',
    'createClient',
    'dockerCredentials',
    'systemMirrors',
    'version',
  ]);
  expect(Object.keys(server).sort()).toEqual(['hashPassword', 'startRegistry']);
  expect(Object.keys(oci).sort()).toEqual([
    'JsonNumber',
    'MediaType',
    'MlistError',
    'canonicalReference',
    'digestOf',
    'encodeImageIndex',
    'encodeManifestList',
    'familiarReference',
    'formatPlatform',
    'formatReference',
    'isDigest',
    'normalizePlatform',
    'parseDigest',
    'parsePlatform',
    'parseReference',
    'samePlatform',
    'validateDocument',
  ]);
});

describe('an index in memory', () => {
  test('is created and pushed, with further tags', async () => {
    const index = await client.createIndex([at('amd64'), { image: at('arm64'), platform: 'linux/arm64/v8' }], {
      format: 'oci',
      annotations: { 'org.opencontainers.image.version': '1.0' },
    });
    expect(index.manifests.map(({ digest, platform }) => [digest, platform])).toEqual([
      [images.amd64.digest, { os: 'linux', architecture: 'amd64' }],
      [images.arm64.digest, { os: 'linux', architecture: 'arm64', variant: 'v8' }],
    ]);
    expect(index.descriptor).toEqual({
      mediaType: oci.MediaType.ociIndex,
      digest: oci.digestOf(index.bytes),
      size: index.bytes.length,
    });
    expect(index.bytes).toEqual(
      oci.encodeImageIndex({
        manifests: index.manifests,
        annotations: { 'org.opencontainers.image.version': '1.0' },
      }),
    );
    const pushed = await client.pushIndex(index, at('1.0'), { tags: ['latest'], expect: ['linux/amd64'] });
    expect(pushed.descriptor).toEqual(index.descriptor);
    expect(pushed.targets.map(({ reference, status }) => [reference, status])).toEqual([
      [at('1.0'), 'pushed'],
      [at('latest'), 'pushed'],
    ]);
    expect(events.filter(({ type }) => type === 'tagged')).toHaveLength(2);
    expect(await client.resolve(at('latest'))).toEqual(index.descriptor);
    expect(await client.resolve(at('1.0'), { platform: 'linux/arm64' })).toMatchObject({ digest: images.arm64.digest });
  });

  test('is pushed to an OCI layout, and keeps nothing elsewhere', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mlist-api-'));
    const local = cleanup(createClient({ cwd: folder }));
    const index = await local.createIndex([at('amd64')]);
    await local.pushIndex(index, 'oci:layout:1.0');
    expect(await readdir(folder)).toEqual(['layout']);
    expect(await local.resolve('oci:layout:1.0')).toEqual(index.descriptor);
  });

  test('of another client is refused', async () => {
    const other = cleanup(createClient());
    await expect(client.pushIndex(await other.createIndex([at('amd64')]), at('1.0'))).rejects.toMatchObject({
      code: 'ERR_MLIST_USAGE',
    });
  });

  test('is not pushed if a platform is missing, and nothing is written', async () => {
    const index = await client.createIndex([at('amd64')]);
    await expect(client.pushIndex(index, at('partial'), { expect: ['linux/s390x'] })).rejects.toMatchObject({
      code: 'ERR_MLIST_EXPECTATION',
    });
    await expect(client.resolve(at('partial'))).rejects.toBeInstanceOf(MlistError);
  });
});

test('reads, validates and explains', async () => {
  const index = await client.createIndex([at('amd64'), at('arm64')]);
  await client.pushIndex(index, at('read'));
  const inspected = await client.inspect(at('read'));
  expect(inspected).toMatchObject({ reference: at('read'), descriptor: index.descriptor });
  expect(inspected.bytes).toEqual(index.bytes);
  expect((await client.inspect(at('read'), { platform: 'linux/arm64' })).descriptor.digest).toBe(images.arm64.digest);
  expect(await client.validate(at('read'), { deep: true })).toMatchObject({ valid: true });
  expect(await client.validate(Buffer.from('{"schemaVersion":2}'))).toMatchObject({ valid: false });
  expect(oci.validateDocument(index.bytes)).toMatchObject({ problems: [] });
  const { platforms } = await client.explain(at('read'), { platforms: ['linux/arm64'] });
  expect(platforms[0]?.clients.map(({ picked }) => picked?.digest)).toContain(images.arm64.digest);
});

test('copies, lists tags and deletes', async () => {
  const index = await client.createIndex([at('amd64'), at('arm64')]);
  await client.pushIndex(index, at('source'));
  const target = `${registry.host}/copies/app:1.0`;
  const copied = await client.copy(at('source'), target, { platforms: ['linux/arm64'] });
  expect(copied).toMatchObject({ status: 'copied', target });
  const tags: string[] = [];
  for await (const tag of client.tags(`${registry.host}/copies/app`)) tags.push(tag);
  expect(tags).toEqual(['1.0']);
  expect(await client.delete(target)).toMatchObject({ what: 'tag' });
  await expect(client.resolve(target)).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
});

test('compresses the layers of archives, within the limit for temporary files', async () => {
  const layer = tarOf({ name: 'hello', content: 'hello'.repeat(1000) });
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
  });
  const list = JSON.stringify([{ Config: 'config.json', RepoTags: ['app:v1'], Layers: ['layer.tar'] }]);
  const path = join(await mkdtemp(join(tmpdir(), 'mlist-api-')), 'saved.tar');
  await writeFile(
    path,
    tarOf(
      { name: 'layer.tar', content: layer },
      { name: 'config.json', content: config },
      { name: 'manifest.json', content: list },
    ),
  );
  const compressing = cleanup(createClient({ compression: 'gzip' }));
  await compressing.copy(`docker-archive:${path}`, at('compressed'));
  const { document } = await compressing.inspect(at('compressed'));
  expect(document).toMatchObject({ layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }] });
  const limited = cleanup(createClient({ compression: 'gzip', spoolLimit: 10 }));
  await expect(limited.copy(`docker-archive:${path}`, at('limited'))).rejects.toMatchObject({
    code: 'ERR_MLIST_FILE',
    message: expect.stringContaining('the limit is 10'),
  });
});

test('joins and applies', async () => {
  const options = { group: 'build-1', expect: ['linux/amd64', 'linux/arm64'] };
  expect(await client.join(at('joined'), [at('amd64')], options)).toMatchObject({ complete: false });
  expect(await client.join(at('joined'), [at('arm64')], options)).toMatchObject({ complete: true });
  const spec = { image: at('applied'), manifests: [{ image: at('amd64') }, { image: at('arm64') }] };
  const applied = await client.apply(spec);
  expect(applied.lists).toMatchObject([{ status: 'pushed', errors: [] }]);
  expect((await client.apply(spec, { dryRun: true })).lists).toMatchObject([{ status: 'unchanged' }]);
  const values = { ARCH: 'arm64', TAG: 'with-values' };
  const withValues = await client.apply({ list: at('${TAG}'), manifests: [at('${ARCH}')] }, { values });
  expect(withValues.lists).toMatchObject([{ status: 'pushed', list: at('with-values') }]);
  const unused = client.apply({ list: at('${TAG}'), manifests: [] }, { values });
  await expect(unused).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE', message: expect.stringContaining('${ARCH}') });
});

test('works with the drafts of a workspace', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-api-'));
  const drafts = client.drafts(join(folder, '.mlist'));
  const name = at('drafted');
  expect((await drafts.create(name, [at('amd64')])).entries).toHaveLength(1);
  expect((await drafts.add(name, [at('arm64')])).entries).toHaveLength(2);
  const annotated = await drafts.annotate(name, images.arm64.digest, { platform: { variant: 'v8' } });
  expect(annotated.entries[1]).toMatchObject({ platform: { architecture: 'arm64', variant: 'v8' } });
  const ofBoth = await drafts.annotate(name, { all: true }, { annotations: { k: 'v' } });
  expect(ofBoth.entries).toMatchObject([{ annotations: { k: 'v' } }, { annotations: { k: 'v' } }]);
  const ofOne = await drafts.annotate(name, { platforms: ['linux/amd64'] }, { annotations: { k: null } });
  expect(ofOne.entries.map(({ annotations }) => annotations)).toEqual([undefined, { k: 'v' }]);
  expect((await drafts.remove(name, [], { platforms: ['linux/amd64'] })).entries).toHaveLength(1);
  expect(await drafts.get(name)).toMatchObject({ from: 'draft' });
  expect(await drafts.push(name)).toMatchObject({ targets: [{ reference: name, status: 'pushed' }] });
  expect(await drafts.list()).toHaveLength(1);
  await drafts.delete(name);
  expect(await drafts.list()).toEqual([]);
  await drafts.create(name, [at('amd64')]);
  expect(await drafts.deleteAll()).toEqual([name]);
  expect([await drafts.list(), await drafts.deleteAll()]).toEqual([[], []]);
});

test('uses the stored credentials of docker, and never shows them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-api-'));
  const { writeFile } = await import('node:fs/promises');
  const users = join(folder, 'htpasswd');
  await writeFile(users, `alice:${await server.hashPassword('alice', 'open sesame')}\n`);
  const guarded = cleanup(await server.startRegistry({ htpasswd: users }));
  const auth = Buffer.from('alice:open sesame').toString('base64');
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [guarded.host]: { auth } } }));
  const credentials = library.dockerCredentials({ env: { DOCKER_CONFIG: folder }, home: folder });
  const known = cleanup(createClient({ credentials }));
  await known.copy(at('amd64'), `${guarded.host}/team/app:amd64`);
  const failure = await client.resolve(`${guarded.host}/team/app:amd64`).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
  expect(JSON.stringify(failure)).not.toContain(auth);
});

test('aborts by signal', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(client.createIndex([at('amd64')], { signal })).rejects.toThrow('enough');
});

test('many waits for one signal cause no warning of Node', async () => {
  // The warnings of this process are not visible in a test.
  const library = pathToFileURL(fileURLToPath(new URL('../../dist/index.js', import.meta.url))).href;
  const script = `
    import { createClient } from ${JSON.stringify(library)};
    const { signal } = new AbortController();
    const mlist = createClient({ env: {} });
    await mlist.createIndex(Array(40).fill(process.env.REFERENCE), { signal });
    await mlist.close();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH: process.env['PATH'], REFERENCE: at('amd64') },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect([child.exitCode, stderr]).toEqual([0, '']);
});

test('dockerCredentials needs no arguments', async () => {
  expect(await library.dockerCredentials()('registry.invalid')).toBeUndefined();
  expect(library.version).toMatch(/^\d+\.\d+\.\d+/);
});

describe('errors', () => {
  const signal = AbortSignal.abort(new Error('enough'));
  const aborted: Readonly<Record<string, () => Promise<unknown>>> = {
    createIndex: () => client.createIndex([at('amd64')], { signal }),
    resolve: () => client.resolve(at('amd64'), { signal }),
    inspect: () => client.inspect(at('amd64'), { signal }),
    explain: () => client.explain(at('amd64'), { signal }),
    join: () => client.join(at('joined'), [at('amd64')], { signal }),
    tags: () => client.tags(`${registry.host}/team/app`, { signal })[Symbol.asyncIterator]().next(),
    delete: () => client.delete(at('absent'), { signal }),
  };

  test.each(Object.entries(aborted))('an aborted %s rejects with an MlistError', async (_name, call) => {
    const failure = call();
    await expect(failure).rejects.toBeInstanceOf(MlistError);
    await expect(failure).rejects.toMatchObject({ code: 'ERR_MLIST_INTERRUPTED', message: 'interrupted: enough' });
  });

  test('an aborted pushIndex reports what was not written', async () => {
    const index = await client.createIndex([at('amd64')]);
    await expect(client.pushIndex(index, at('absent'), { signal })).rejects.toMatchObject({
      code: 'ERR_MLIST_INTERRUPTED',
      facts: { targets: [{ reference: at('absent'), status: 'not-pushed' }] },
    });
  });

  test('a hint names the setting of the library, and not an option of the command line', async () => {
    const index = await client.createIndex([at('arm64')]);
    await expect(client.pushIndex(index, at('amd64'))).rejects.toMatchObject({
      code: 'ERR_MLIST_CONFLICT',
      facts: { remedy: { kind: 'replace-image' } },
      hint: 'Push the list to another tag, add the existing image to the list, or allow the list to replace this image.',
    });
  });

  test('a file error is an MlistError', async () => {
    await expect(client.drafts('x'.repeat(300)).list()).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
  });

  test('a closed client refuses every call', async () => {
    const closed = createClient();
    await closed.close();
    await expect(closed.createIndex([])).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    expect(() => closed.drafts('/nowhere')).toThrow('the client is closed');
  });
});
