import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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
    const { code, stderr } = await world.run(['push', '--retries', '0']);
    expect([code, stderr]).toEqual([4, expect.stringContaining(`team/gone@${sha(gone)}`)]);
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
      expect.stringMatching(/team\/app had lost a child of the list: sent again from the cache/) as unknown,
    ]);
    expect((await getManifest(registry.url, 'team/app', image.digest))?.bytes).toEqual(image.bytes);
    expect(await served()).toBeDefined();
  });

  async function lost(name: string, image: Image): Promise<void> {
    await pushImage(registry.url, 'team/app', name, image);
    await world.must('add', at(`team/app:${name}`));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
  }

  async function forget(image: Image): Promise<void> {
    await rm(join(world.workspace, 'blobs', 'sha256', image.digest.slice('sha256:'.length)));
  }

  const many = (name: string) =>
    ['amd64', 'arm64', 's390x'].map((architecture) =>
      makeImage({ salt: `${name}${count}`, platform: { architecture, os: 'linux' } }),
    );

  test('several children that nobody kept are all named, those that were kept are not, and nothing is said to be sent', async () => {
    const [one, two, kept] = many('several') as [Image, Image, Image];
    await world.must('create', list);
    await lost('one', one);
    await lost('two', two);
    await lost('kept', kept);
    for (const image of [one, two]) await forget(image);
    for (const flags of [[], ['--force'], ['--dry-run']]) {
      const { code, stdout, stderr } = await world.run(['push', ...flags]);
      expect([code, stdout]).toEqual([4, '']);
      const named = stderr.split('\n').filter((line) => line.includes('is gone from its repository'));
      expect(named.map((line) => /team\/app:(\w+)/.exec(line)?.[1])).toEqual(['one', 'two']);
      expect(stderr).not.toContain('sent again');
    }
    expect(await served()).toBeUndefined();
  });

  test('--dry-run looks at the children of the same repository, and plans to send what was kept', async () => {
    const [image, there] = many('dry') as [Image, Image, Image];
    await pushImage(registry.url, 'team/app', 'there', there);
    await world.must('create', list, at('team/app:there'));
    await lost('dry', image);
    requests.length = 0;
    const { targets } = await world.json<{ targets: { plan: { manifests: { digest: string }[] } }[] }>(
      'push',
      '--dry-run',
    );
    expect(targets[0]?.plan.manifests.map(({ digest }) => digest)).toEqual([image.digest]);
    expect(sent().sort()).toEqual([
      'HEAD team/app/manifests/',
      'HEAD team/app/manifests/',
      `HEAD team/app/manifests/${tag()}`,
    ]);
  });

  test('a child whose manifest was kept, and whose layers are gone too, is gone', async () => {
    const image = makeImage({ salt: `hollow${count}` });
    await world.must('create', list);
    await lost('hollow', image);
    await fetch(`${registry.url}/v2/team/app/blobs/${sha(image)}`, { method: 'DELETE' });
    const { code, stderr } = await world.run(['push', '--retries', '0']);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/team\/app:hollow .* is gone from its repository: /)]);
    expect(stderr).not.toContain('sent again');
    expect(await served()).toBeUndefined();
  });

  test('children of another repository that are gone are all named', async () => {
    const [one, two] = many('elsewhere') as [Image, Image, Image];
    const digests = [one, two].map((image) => image.digest);
    for (const [place, image] of [one, two].entries()) await pushImage(registry.url, 'team/far', `x${place}`, image);
    await world.must('create', list, at('team/far:x0'), at('team/far:x1'));
    for (const digest of digests) await fetch(`${registry.url}/v2/team/far/manifests/${digest}`, { method: 'DELETE' });
    await rm(join(world.workspace, 'blobs'), { recursive: true });
    const { code, stderr } = await world.run(['push']);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/team\/far:x0 .* is gone[^]*team\/far:x1 .* is gone/)]);
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
    [
      'a tag that is gone',
      ['--if-digest', `sha256:${'0'.repeat(64)}`],
      5,
      /is gone: it was to have sha256:0+\n.*absent/,
    ],
    ['a digest that is none', ['--if-digest', 'latest'], 2, /takes a digest, or absent/],
    ['an empty tag', ['--tag', ''], 2, /^mlist: --tag takes a tag: it is empty/],
    ['a tag of nothing', ['--tag', ':'], 2, /--tag takes a tag: it is empty/],
    ['an empty target', ['--to', ''], 2, /it is empty/],
    ['a target by digest', ['--to', `a/b@sha256:${'0'.repeat(64)}`], 2, /pushed to a tag, not to a digest/],
    ['a platform of attestations', ['--expect', 'unknown/unknown'], 3, /lacks unknown\/unknown/],
    ['an empty digest', ['--if-digest', ''], 2, /takes a digest, or absent/],
    ['a digest file that is stdin', ['--digest-file', '-'], 2, /--digest-file takes the name of a file, not "-"/],
    ['a digest file without a name', ['--digest-file', ''], 2, /takes the name of a file, not ""/],
    ['a metadata file without a name', ['--metadata-file='], 2, /--metadata-file takes the name of a file/],
    ['a metadata file that is stdin', ['--metadata-file=-'], 2, /takes the name of a file/],
    ['a digest file that is a folder', ['--digest-file', '.'], 1, /--digest-file \. cannot be written: it is a folder/],
    ['a digest file in no folder', ['--digest-file', 'no/where/x'], 1, /there is no folder .*no\/where/],
    ['a metadata file in no folder', ['--metadata-file', 'nowhere/x'], 1, /there is no folder .*nowhere/],
    ['one file for both', ['--metadata-file', 'x', '--digest-file', 'x'], 2, /name the same file/],
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

  test('what the list has is named where it lacks something, and its versions where it is only another', async () => {
    const windows = makeImage({
      salt: 'windows',
      platform: { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.1' },
    });
    await pushImage(registry.url, 'team/app', 'windows', windows);
    await world.must('create', list, at('team/app:windows'));
    expect(await world.run(['push', '--expect', 'windows(10.0.17763)/amd64'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /lacks windows\(10\.0\.17763\)\/amd64 \(there is 10\.0\.20348\.1\)[^]*hint: .*windows\(10\.0\.20348\.1\)\/amd64/,
      ) as unknown,
    });
    expect((await world.run(['push', '--dry-run', '--expect', 'windows(10.0.20348)/amd64'])).code).toBe(0);
  });

  test('an empty list, unless that is wanted', async () => {
    await world.must('create', list);
    expect(await world.run(['push'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/the list is empty at \/manifests \(W-EMPTY\)\nhint: .*--allow-empty/) as unknown,
    });
    expect(sent()).toEqual([]);
    expect((await world.run(['push', '--allow-empty'])).code).toBe(0);
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({ manifests: [] });
  });

  test('each error is told once, beside no warnings, with what lifts it', async () => {
    const copies = ['x1', 'x2', 'x3'].map((salt) => makeImage({ salt }));
    for (const [place, image] of copies.entries()) await pushImage(registry.url, 'team/app', `x${place}`, image);
    await world.must('create', list, at('team/app:x0'), at('team/app:x1'), at('team/app:x2'), '--format', 'oci');
    const { code, stderr } = await world.run(['push']);
    expect([code, stderr.match(/two images for linux\/amd64/g)?.length]).toEqual([3, 2]);
    expect(stderr).toMatch(
      /refused, for 2 reasons\n {2}error E-DUP-PLATFORM .*\n {2}error .*\nhint: .*--allow-duplicates\.\n$/,
    );
    await world.must('remove', copies[2]?.digest ?? '');
    expect((await world.run(['push'])).stderr).toMatch(
      /^mlist: the list .* is refused: two images for linux\/amd64.*\nhint: .*--allow-duplicates\.\n$/,
    );
    await world.must('remove', list, copies[1]?.digest ?? '');
    const pushed = await world.run(['push']);
    expect([pushed.code, pushed.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect((await world.run(['validate'])).stdout).toContain('a Docker manifest inside an OCI index');
  });

  test.each([
    ['linux/amd64,linux/arm64', 0],
    ['linux/aarch64', 0],
    ['linux/arm64/v8', 0],
    ['linux/arm64/v9', 3],
    ['arm64/v8', 2],
  ])('--expect %s ends with %i', async (expected, code) => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect((await world.run(['push', '--dry-run', '--expect', expected])).code).toBe(code);
  });

  test('--if-digest with what the tag has', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const digest = await world.must('push');
    await world.must('add', at('team/app:arm64'));
    expect((await world.run(['push', '--if-digest', digest])).code).toBe(0);
  });

  test('--if-digest absent: only where there is no such tag, or it has this very list', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const digest = await world.must('push', '--if-digest', 'absent');
    const none = `sha256:${'0'.repeat(64)}`;
    for (const state of ['absent', none]) {
      const again = await world.run(['push', '--if-digest', state]);
      expect([again.code, again.stdout.trim()]).toEqual([0, digest]);
      expect(again.stderr).toMatch(/^unchanged /m);
    }
    await world.must('add', at('team/app:arm64'));
    expect(await world.run(['push', '--if-digest', 'absent'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/is there already, with sha256:.*\nhint: .*mlist show docker:\/\//) as unknown,
    });
  });

  test('a digest file where links lead, whole; and into a pipe as it is', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await mkdir(join(world.folder, 'real'));
    await symlink('real/digest', join(world.folder, 'link'));
    await symlink('link', join(world.folder, 'again'));
    const digest = await world.must('push', '--digest-file', 'again');
    expect(await readFile(join(world.folder, 'real', 'digest'), 'utf8')).toBe(`${digest}\n`);
    expect((await lstat(join(world.folder, 'link'))).isSymbolicLink()).toBe(true);
    await writeFile(
      join(world.folder, 'real', 'digest'),
      'something longer than that, which is all replaced'.repeat(9),
    );
    await world.must('push', '--digest-file', 'link');
    expect(await readFile(join(world.folder, 'real', 'digest'), 'utf8')).toBe(`${digest}\n`);
    await symlink('circle', join(world.folder, 'circle'));
    expect((await world.run(['push', '--digest-file', 'circle'])).code).toBe(1);
    const pipe = join(world.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [piped] = await Promise.all([readFile(pipe, 'utf8'), world.must('push', '--digest-file', 'pipe')]);
    expect([piped, (await lstat(pipe)).isFIFO()]).toEqual([`${digest}\n`, true]);
  });

  test('/dev/stdout is stdout, behind the digest', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const { code, stdout } = await world.run(['push', '--metadata-file', '/dev/stdout']);
    const [digest, ...rest] = stdout.split('\n');
    expect([code, JSON.parse(rest.join('\n'))]).toMatchObject([0, { 'containerimage.digest': digest }]);
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

  test('what others have done comes in with --amend, and then it goes up', async () => {
    await draftOfRemote();
    await world.must('annotate', '--variant', 'v2');
    const theirs = makeIndex(
      [
        { ...entryOf(amd64, { architecture: 'amd64', os: 'linux' }), annotations: { theirs: 'x' } },
        entryOf(arm64, { architecture: 'arm64', os: 'linux' }),
      ],
      { annotations: { k: 'v' } },
    );
    await putManifest(registry.url, 'team/app', tag(), theirs.mediaType, theirs.bytes);
    expect(await world.run(['push'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('mlist create --amend') as unknown,
    });
    await world.must('create', '--amend');
    await world.must('push');
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({
      annotations: { k: 'v' },
      manifests: [
        { digest: amd64.digest, annotations: { theirs: 'x' }, platform: { architecture: 'amd64', variant: 'v2' } },
        { digest: arm64.digest },
      ],
    });
  });

  test('what others have said of the list itself is not lost by --amend', async () => {
    await draftOfRemote();
    const entries = [entryOf(amd64, { architecture: 'amd64', os: 'linux' })];
    const theirs = makeIndex(entries, { annotations: { k: 'theirs' } });
    await putManifest(registry.url, 'team/app', tag(), theirs.mediaType, theirs.bytes);
    await world.must('create', '--amend');
    await world.must('annotate', '--variant', 'v2');
    expect((await world.run(['push'])).code).toBe(5);
    expect((await served())?.digest).toBe(theirs.digest);
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

  test('-t :TAG with --to is a tag in each place that the list goes to, and a place named twice is one', async () => {
    await world.must('create', list, at('team/app:amd64'));
    const [one, two] = [at('team/tagged:x'), at('team/tagged2:y')];
    const targets = ['--to', one, '--to', two, '--to', `docker://${one}`, '--to', 'oci:layout:v1'];
    const pushed = await world.json<{ digest: string; targets: { ref: string }[] }>(
      'push',
      ...targets,
      ...['-t', ':more', '-t', ':more', '-t', at('team/tagged3:z')],
    );
    expect(pushed.targets.map(({ ref }) => ref).sort()).toEqual(
      [
        one,
        at('team/tagged:more'),
        two,
        at('team/tagged2:more'),
        'oci:layout:v1',
        'oci:layout:more',
        at('team/tagged3:z'),
      ].sort(),
    );
    for (const [repository, name] of [
      ['tagged', 'more'],
      ['tagged2', 'more'],
      ['tagged3', 'z'],
    ] as const)
      expect((await getManifest(registry.url, `team/${repository}`, name))?.digest).toBe(pushed.digest);
    expect(await world.must('digest', 'oci:layout:more')).toBe(pushed.digest);
    expect(await getManifest(registry.url, 'team/app', 'more')).toBeUndefined();
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
