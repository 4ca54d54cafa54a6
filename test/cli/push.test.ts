import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry, type ServedRequest } from '../../src/index.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { World } from '../support/world.ts';

/** What `push` sends, and what it refuses before it sends anything. */
let registry: RunningRegistry;
let at: (name: string) => string;
const requests: ServedRequest[] = [];
const amd64 = makeImage({ salt: 'a' });
const arm64 = makeImage({ salt: 'b', platform: { architecture: 'arm64', os: 'linux' } });

beforeAll(async () => {
  registry = await startRegistry({ onRequest: (request) => requests.push(request) });
  at = (name) => `${registry.host}/${name}`;
  for (const repository of ['team/app', 'team/elsewhere']) {
    await pushImage(registry.url, repository, 'amd64', amd64);
    await pushImage(registry.url, repository, 'arm64', arm64);
  }
});
afterAll(() => registry.close());

let world: World;
let count = 0;
let list: string;
beforeEach(async () => {
  world = await World.make();
  list = at(`team/app:list${(count += 1)}`);
  requests.length = 0;
});

function sent(): string[] {
  return requests
    .splice(0)
    .map(({ method, path }) => `${method} ${path.replace(/\/v2\/|sha256:[0-9a-f]+/g, '').replace(/\?.*$/, '')}`);
}

const tag = () => list.slice(list.lastIndexOf(':') + 1);

async function served() {
  return getManifest(registry.url, 'team/app', tag());
}

describe('what is sent', () => {
  test('children of the same repository: nothing but the list', async () => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect(sent().sort()).toEqual([
      'GET team/app/blobs/',
      'GET team/app/blobs/',
      'GET team/app/manifests/amd64',
      'GET team/app/manifests/arm64',
    ]);
    await world.must('push');
    expect(sent()).toEqual([`PUT team/app/manifests/${tag()}`]);
  });

  test('children of another repository: a look at the tag, mounts, the children, the list', async () => {
    list = at(`team/mounted${count}:list`);
    await world.must('create', list, at('team/elsewhere:amd64'), at('team/elsewhere:arm64'));
    requests.length = 0;
    await world.must('push');
    const to = `team/mounted${count}`;
    const all = sent();
    expect([all[0], all.at(-1)]).toEqual([`HEAD ${to}/manifests/list`, `PUT ${to}/manifests/list`]);
    expect(all.slice(1, -1).sort()).toEqual([
      ...Array.from({ length: 4 }, () => `POST ${to}/blobs/uploads/`),
      ...Array.from({ length: 2 }, () => `PUT ${to}/manifests/`),
    ]);
  });

  test('an index of another repository: its children are read once', async () => {
    const { images, attestations } = await pushBuild(registry.url, 'team/index', 'latest', [
      { architecture: 'amd64', os: 'linux' },
    ]);
    list = at(`team/taken${count}:list`);
    await world.must('create', list, at('team/index'));
    requests.length = 0;
    await world.must('push');
    const reads = sent().filter((request) => request.startsWith('GET'));
    expect(reads).toEqual(
      Array.from({ length: images.length + attestations.length }, () => 'GET team/index/manifests/'),
    );
    expect(await getManifest(registry.url, `team/taken${count}`, attestations[0]?.digest ?? '')).toBeDefined();
  });

  test('pushed again, unchanged: one request', async () => {
    await world.must('create', list, at('team/app:amd64'), at('team/elsewhere:arm64'));
    const digest = await world.must('push');
    requests.length = 0;
    expect(await world.must('push')).toBe(digest);
    expect(sent()).toEqual([`HEAD team/app/manifests/${tag()}`]);
  });

  test('--force puts the list although it is there, and looks at every child', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await world.must('push');
    requests.length = 0;
    await world.must('push', '--force');
    expect(sent()).toEqual([
      `HEAD team/app/manifests/${tag()}`,
      'HEAD team/app/manifests/',
      `PUT team/app/manifests/${tag()}`,
    ]);
  });

  test('nothing is written where a child is missing at the end', async () => {
    const gone = makeImage({ salt: 'gone' });
    await pushImage(registry.url, 'team/gone', 'x', gone);
    await world.must('create', list, at('team/gone:x'));
    await fetch(`${registry.url}/v2/team/gone/blobs/${sha(gone)}`, { method: 'DELETE' });
    expect((await world.run(['push', '--retries', '0'])).code).not.toBe(0);
    expect(await served()).toBeUndefined();
  });
});

function sha(image: Image): string {
  return (JSON.parse(image.bytes.toString()) as { layers: { digest: string }[] }).layers[0]?.digest ?? '';
}

describe('what a registry has lost', () => {
  test('a child that was cleaned up since is sent again from what was kept', async () => {
    const image = makeImage({ salt: `kept${count}` });
    await pushImage(registry.url, 'team/app', 'lost', image);
    await world.must('create', list, at('team/app:lost'));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
    const { code, stderr } = await world.run(['push']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('has lost children of the list: they are sent again') as unknown,
    ]);
    expect((await getManifest(registry.url, 'team/app', image.digest))?.bytes).toEqual(image.bytes);
    expect(await served()).toBeDefined();
  });

  test('a child that nobody kept: a clear error, and no list', async () => {
    const image = makeImage({ salt: `unkept${count}` });
    await pushImage(registry.url, 'team/app', 'unkept', image);
    await world.must('create', list, at('team/app:unkept'));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
    await rm(join(world.workspace, 'blobs'), { recursive: true });
    const { code, stderr } = await world.run(['push']);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/team\/app:unkept .* is gone from its repository/)]);
    expect(await served()).toBeUndefined();
  });
});

describe('what is refused before anything is written', () => {
  test.each<[string, readonly string[], number, RegExp]>([
    ['a platform that is expected and not there', ['--expect', 'linux/amd64,linux/s390x'], 3, /lacks linux\/s390x/],
    ['a tag that has moved', ['--if-digest', `sha256:${'0'.repeat(64)}`], 5, /is gone|has sha256/],
    ['a digest that is none', ['--if-digest', 'latest'], 2, /takes a digest/],
  ])('%s', async (_name, flags, code, message) => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    requests.length = 0;
    expect(await world.run(['push', ...flags])).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(message) as unknown,
    });
    expect(sent().filter((request) => !request.startsWith('HEAD'))).toEqual([]);
  });

  test.each(['linux/amd64,linux/arm64', 'linux/aarch64', 'linux/arm64/v8'])('--expect %s is met', async (expected) => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect((await world.run(['push', '--dry-run', '--expect', expected])).code).toBe(0);
  });

  test('--expect arm64/v8 names no operating system', async () => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    const { code, stderr } = await world.run(['push', '--dry-run', '--expect', 'arm64/v8']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('linux/arm64/v8')]);
  });

  test('--if-digest with what the tag has', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const digest = await world.must('push');
    await world.must('add', at('team/app:arm64'));
    expect((await world.run(['push', '--if-digest', digest])).code).toBe(0);
  });

  test('no digest file for a push that failed, or that was none', async () => {
    const file = join(world.folder, 'digest');
    await world.must('create', list, at('team/app:amd64'));
    expect((await world.run(['push', '--digest-file', file, '--expect', 'linux/s390x'])).code).toBe(3);
    await world.must('push', '--digest-file', file, '--dry-run');
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    const digest = await world.must('push', '--digest-file', file, '--metadata-file', `${file}.json`);
    expect(await readFile(file, 'utf8')).toBe(`${digest}\n`);
    expect(JSON.parse(await readFile(`${file}.json`, 'utf8'))).toMatchObject({
      'containerimage.digest': digest,
      'image.name': list,
    });
  });
});

describe('drafts of remote lists', () => {
  const index = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })], { annotations: { k: 'v' } });

  async function draftOfRemote(): Promise<void> {
    await putManifest(registry.url, 'team/app', tag(), index.mediaType, index.bytes);
    await world.must('create', list, `docker://${list}`);
  }

  test('an edit goes up where nobody has moved the tag, and the next one too', async () => {
    await draftOfRemote();
    await world.must('annotate', '--variant', 'v2');
    await world.must('push');
    await world.must('annotate', '--variant', 'v3');
    const digest = await world.must('push');
    expect((await served())?.digest).toBe(digest);
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({ annotations: { k: 'v' } });
  });

  test('where somebody has moved it, that is kept', async () => {
    await draftOfRemote();
    await world.must('annotate', '--variant', 'v2');
    const other = makeIndex([entryOf(arm64, { architecture: 'arm64', os: 'linux' })]);
    await putManifest(registry.url, 'team/app', tag(), other.mediaType, other.bytes);
    expect(await world.run(['push'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining(other.digest) as unknown,
    });
    expect((await served())?.digest).toBe(other.digest);
    expect((await world.run(['push', '--if-digest', other.digest])).code).toBe(0);
  });

  test('a tag that this draft pushed, and that somebody has moved since, is warned of', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await world.must('push');
    const other = makeIndex([entryOf(arm64, { architecture: 'arm64', os: 'linux' })]);
    await putManifest(registry.url, 'team/app', tag(), other.mediaType, other.bytes);
    expect(await world.run(['push'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/had sha256:.*which this draft pushed last/) as unknown,
    });
  });
});

describe('the draft afterwards', () => {
  test('--purge removes it, and forgets it', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await world.must('push', '--purge');
    expect(await world.must('ls')).toBe('');
    expect((await world.run(['push'])).code).toBe(4);
    expect(await readFile(join(world.workspace, 'state.json'), 'utf8')).not.toContain('list');
  });

  test('without it the draft stays', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await world.must('push');
    expect(await world.must('ls')).toContain(list);
  });

  test('a damaged state is named, and easily mended', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const path = join(world.workspace, 'state.json');
    await writeFile(path, '{"version":1,"current":');
    expect(await world.run(['push', list])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(path) as unknown,
    });
    await rm(path);
    expect((await world.run(['push', list])).code).toBe(0);
  });
});

describe('targets', () => {
  test('--to takes the place of the list', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const digest = await world.must('push', '--to', at('team/to:x'), '--to', at('team/to2:y'));
    expect((await getManifest(registry.url, 'team/to', 'x'))?.digest).toBe(digest);
    expect((await getManifest(registry.url, 'team/to2', 'y'))?.digest).toBe(digest);
    expect(await served()).toBeUndefined();
  });

  test('one target fails, the other is done, and both are told', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const { code, stderr } = await world.run(['push', '-t', 'localhost:1/x:y', '--retries', '0']);
    expect([code, stderr]).toEqual([7, expect.stringMatching(/pushed .*team\/app:list[^]*localhost:1/)]);
    expect(await served()).toBeDefined();
  });

  test('children of another registry are carried over', async () => {
    const other = await startRegistry();
    try {
      await world.must('create', `${other.host}/far/list:1`, at('team/app:amd64'), at('team/app:arm64'));
      const digest = await world.must('push');
      expect((await getManifest(other.url, 'far/list', '1'))?.digest).toBe(digest);
      expect((await getManifest(other.url, 'far/list', arm64.digest))?.bytes).toEqual(arm64.bytes);
    } finally {
      await other.close();
    }
  });
});
