import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type Platform, type RunningRegistry } from '../../src/index.ts';
import { attestationEntry, pushBuild, type Built } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { World } from '../support/world.ts';

/** What `create` and `create --amend` make of what is in a registry. */
let registry: RunningRegistry;
let at: (name: string) => string;
const amd64: Platform = { architecture: 'amd64', os: 'linux' };
const arm64: Platform = { architecture: 'arm64', os: 'linux' };
const arm: Platform = { architecture: 'arm', os: 'linux', variant: 'v7' };
let images: Readonly<Record<'amd64' | 'arm64' | 'arm' | 'other', Image>>;
let build: Built;

beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  images = {
    amd64: makeImage({ salt: 'a', platform: amd64 }),
    arm64: makeImage({ salt: 'b', platform: arm64 }),
    arm: makeImage({ salt: 'c', platform: arm }),
    other: makeImage({ salt: 'd', platform: amd64 }),
  };
  for (const [tag, image] of Object.entries(images)) await pushImage(registry.url, 'team/app', tag, image);
  build = await pushBuild(registry.url, 'team/built', 'latest', [amd64, arm64]);
});
afterAll(() => registry.close());

interface Shown {
  readonly source: string;
  readonly digest: string;
  readonly platform?: Platform;
  readonly attests?: string;
}
interface Drafted {
  readonly changed: boolean;
  readonly entries: readonly Shown[];
  readonly changes: readonly { readonly type: string; readonly old?: string; readonly digest: string }[];
}

describe('create', () => {
  test('keeps the order of the author', async () => {
    const world = await World.make();
    const { entries } = await world.json<Drafted>(
      'create',
      at('l:1'),
      at('team/app:arm'),
      at('team/app:amd64'),
      at('team/app:arm64'),
    );
    expect(entries.map((entry) => entry.digest)).toEqual(
      [images.arm, images.amd64, images.arm64].map((image) => image.digest),
    );
  });

  test('names every missing image, stores nothing, and needs no --amend afterwards', async () => {
    const world = await World.make();
    const args = ['create', at('l:1'), at('team/app:amd64'), at('team/app:no1'), at('team/no2:x')];
    const { code, stderr, stdout } = await world.run(args);
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain(at('team/app:no1'));
    expect(stderr).toContain(at('team/no2:x'));
    expect((await world.run(['ls'])).stdout).toBe('');
    await pushImage(registry.url, 'team/app', 'no1', images.arm);
    await pushImage(registry.url, 'team/no2', 'x', images.arm64);
    expect((await world.run(args)).code).toBe(0);
  });

  test('refuses to replace a draft, but not to make the same again', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:amd64'));
    await world.must('annotate', '--annotation', 'k=v');
    expect((await world.json<Drafted>('create', at('l:1'), at('team/app:amd64'))).changed).toBe(false);
    expect(await world.must('inspect')).toContain('"k":"v"');
    const { code, stderr } = await world.run(['create', at('l:1'), at('team/app:arm64')]);
    expect([code, stderr]).toEqual([5, expect.stringMatching(/already[^]*--amend[^]*mlist show docker:\/\/.*l:1/)]);
  });

  test('the same again: what is asked for of the list itself is done, and no entry has changed', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:amd64'));
    const again = async (...flags: readonly string[]) => {
      const { changed, changes } = await world.json<Drafted>('create', at('l:1'), at('team/app:amd64'), ...flags);
      return [changed, changes];
    };
    expect(await again()).toEqual([false, []]);
    for (const flags of [
      ['--format', 'oci'],
      ['--index-annotation', 'a=b'],
      ['--index-artifact-type', 'application/x'],
    ]) {
      expect(await again(...flags)).toEqual([true, []]);
      expect(await again(...flags)).toEqual([false, []]);
    }
    const { mediaType, annotations, artifactType } = JSON.parse(await world.must('inspect')) as Record<string, unknown>;
    expect([mediaType, annotations, artifactType]).toEqual([
      'application/vnd.oci.image.index.v1+json',
      { a: 'b' },
      'application/x',
    ]);
    expect((await world.json<Drafted>('create', '--amend', at('l:1'))).changes).toEqual([]);
  });

  test('the same images, but one for another platform: another draft', async () => {
    const world = await World.make();
    const create = async (platform: string) =>
      world.run(['create', at('l:1'), at('team/app:arm64'), `${at('team/app:amd64')}${platform}`]);
    expect((await create('=linux/arm/v6')).code).toBe(0);
    expect((await create('=linux/arm/v6')).code).toBe(0);
    expect((await create('')).code).toBe(0);
    expect(await create('=linux/amd64')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/in which .*team\/app:amd64 \(linux\/arm\/v6.* is not for linux\/amd64/) as unknown,
    });
    expect(await world.must('inspect')).toContain('v6');
  });

  test('a platform that is said is set, whatever the image states', async () => {
    const world = await World.make();
    const { entries } = await world.json<Drafted>(
      'create',
      at('l:1'),
      `${at('team/app:amd64')}=linux/arm/v6`,
      `${at('team/app:arm64')}=x64`,
    );
    expect(entries.map((entry) => entry.platform)).toEqual([
      { architecture: 'arm', os: 'linux', variant: 'v6' },
      amd64,
    ]);
  });

  test('the same entry twice becomes one, with a note', async () => {
    const world = await World.make();
    const { code, stderr, stdout } = await world.run([
      'create',
      '--progress',
      'plain',
      '--json',
      at('l:1'),
      at('team/app:amd64'),
      at('team/app:amd64'),
    ]);
    expect([code, (JSON.parse(stdout) as Drafted).entries.length]).toEqual([0, 1]);
    expect(stderr).toMatch(/the same entry twice/);
  });

  test('two images for one platform: create warns, push and validate refuse, a flag allows', async () => {
    const world = await World.make();
    const { code, stderr } = await world.run([
      'create',
      at('team/app:twice'),
      at('team/app:amd64'),
      at('team/app:other'),
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/warning: two images for linux\/amd64: sha256:/)]);
    expect((await world.run(['validate'])).code).toBe(3);
    expect(await world.run(['push'])).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('E-DUP-PLATFORM') as unknown,
    });
    expect((await world.run(['push', '--allow-duplicates'])).code).toBe(0);
  });

  test('an image by digest, without a tag', async () => {
    const world = await World.make();
    const { entries } = await world.json<Drafted>('create', at('l:1'), at(`team/app@${images.arm.digest}`));
    expect(entries[0]).toMatchObject({ source: at(`team/app@${images.arm.digest}`), digest: images.arm.digest });
  });

  test('an empty list can be drafted, and filled', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'));
    await world.must('add', at('team/app:amd64'));
    expect(await world.must('inspect')).toContain(images.amd64.digest);
  });

  test('a list by digest is refused', async () => {
    const world = await World.make();
    expect(await world.run(['create', at(`l@${images.arm.digest}`), at('team/app:arm')])).toMatchObject({ code: 2 });
  });

  test.each(['oci:out', 'oci:out:v1', 'oci-archive:out.tar', 'docker-archive:out.tar'])(
    '%s is a place, and names no list',
    async (name) => {
      const world = await World.make();
      expect(await world.run(['create', name, at('team/app:arm')])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/named by a registry reference[^]*mlist push --to/) as unknown,
      });
    },
  );

  test('--list and MLIST_LIST name the list, and all arguments are images', async () => {
    const world = await World.make();
    await world.must('create', '-l', at('l:1'), at('team/app:amd64'));
    const { code } = await world.run(['create', at('team/app:amd64')], { env: { MLIST_LIST: at('l:2') } });
    expect(code).toBe(0);
    expect((await world.must('ls')).split('\n')).toHaveLength(2);
  });
});

describe('create from an index', () => {
  test('takes its images and their attestations, which stay beside them', async () => {
    const world = await World.make();
    const { entries } = await world.json<Drafted>(
      'create',
      at('team/built:again'),
      at('team/built'),
      at('team/app:arm'),
    );
    const [one, two] = build.images;
    expect(entries.map((entry) => entry.attests ?? 'image')).toEqual([
      'image',
      'image',
      one?.digest,
      two?.digest,
      'image',
    ]);
  });

  test('one index, unchanged: the same bytes', async () => {
    const world = await World.make();
    await world.must('create', at('team/built:same'), at('team/built'));
    expect(await world.must('push')).toBe(build.index.digest);
  });

  test('one index in odd JSON, unchanged: the same bytes; edited: all that nobody knows stays', async () => {
    const odd = Buffer.from(
      JSON.stringify(
        {
          annotations: { z: '1', a: '2' },
          'x-later': { '2': 1, '1': [1.5, null] },
          manifests: [
            { platform: { os: 'linux', architecture: 'amd64', 'x-p': { b: 1 } }, ...entryOf(images.amd64), 'x-d': [] },
            { ...entryOf(images.arm64), platform: arm64, annotations: { k: 'v' } },
          ],
          mediaType: 'application/vnd.oci.image.index.v1+json',
          schemaVersion: 2,
          artifactType: 'application/x',
        },
        undefined,
        7,
      ),
    );
    await putManifest(registry.url, 'team/app', 'odd', 'application/vnd.oci.image.index.v1+json', odd);
    const world = await World.make();
    await world.must('create', at('team/app:edited'), at('team/app:odd'));
    expect(await world.must('inspect', '--raw')).toBe(odd.toString());
    await world.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const before = JSON.parse(odd.toString()) as { manifests: { platform: object }[] };
    Object.assign(before.manifests[1]?.platform ?? {}, { variant: 'v8' });
    expect(JSON.parse(await world.must('inspect'))).toEqual(before);
    await world.must('annotate', '--platform', 'linux/arm64', '--variant', '');
    expect(await world.must('inspect', '--raw')).toBe(odd.toString());
  });

  test('several indexes: what they say of themselves is dropped with a warning', async () => {
    const annotated = makeIndex([entryOf(images.arm, arm)], { annotations: { k: 'v' } });
    await putManifest(registry.url, 'team/app', 'annotated', annotated.mediaType, annotated.bytes);
    const world = await World.make();
    const { stderr } = await world.run(['create', at('l:1'), at('team/app:annotated'), at('team/built')]);
    expect(stderr).toMatch(/warning: annotations of the index .*annotated do not come along/);
  });

  test.each([
    ['--platform', ['--platform', 'linux/arm64'], 2],
    ['--attestations drop', ['--attestations', 'drop'], 2],
    ['both', ['--platform', 'linux/arm64', '--attestations', 'drop'], 1],
  ])('filtered by %s, attestations go with their image', async (_name, flags, count) => {
    const world = await World.make();
    const { entries } = await world.json<Drafted>('create', at('l:1'), at('team/built'), ...flags);
    expect(entries).toHaveLength(count);
    const attested = entries.flatMap((entry) => entry.attests ?? []);
    expect(entries.map((entry) => entry.digest)).toEqual(expect.arrayContaining(attested));
  });

  test('a platform that is nowhere: exit 4, and what there is', async () => {
    const world = await World.make();
    const { code, stderr } = await world.run([
      'create',
      at('l:1'),
      at('team/built'),
      '--platform',
      'linux/arm64',
      '--platform',
      'linux/s390x',
    ]);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/no image for linux\/s390x[^]*linux\/amd64, linux\/arm64/),
    ]);
  });

  test('--platform leaves out single images too, and says so', async () => {
    const world = await World.make();
    const args = [at('l:1'), at('team/app:amd64'), at('team/app:arm64'), `${at('team/app:other')}=linux/arm64/v9`];
    const { code, stderr } = await world.run(['create', ...args, '--platform', 'linux/arm64,linux/arm64/v9']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/left behind image linux\/amd64 sha256:[0-9a-f]{12}: .*app:amd64 is for none/),
    ]);
    const { manifests } = JSON.parse(await world.must('inspect')) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest)).toEqual([images.arm64.digest, images.other.digest]);
  });

  test('--platform for single images only: one that none of them is for is exit 4, and nothing is made', async () => {
    const world = await World.make();
    expect(await world.run(['create', at('l:1'), at('team/app:amd64'), '--platform', 'linux/s390x'])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/no image for linux\/s390x[^]*There are: linux\/amd64/) as unknown,
    });
    expect(await world.must('ls')).toBe('');
  });

  test.each([
    ['create', ['create', 'l:1', '--platform', '']],
    ['create, one of several', ['create', 'l:1', '--platform', 'linux/amd64,']],
    ['a source', ['create', 'l:1', 'a/b=']],
    ['push --expect', ['push', 'l:1', '--expect', '']],
    ['push --expect, a comma', ['push', 'l:1', '--expect', ',']],
    ['inspect', ['inspect', 'l:1', '--platform', '']],
    ['remove', ['remove', 'l:1', '--platform', '']],
    ['annotate', ['annotate', 'l:1', '--platform', ' ', '--variant', 'v8']],
    ['resolve', ['resolve', 'l:1', '--platform', '']],
    ['copy', ['copy', 'a/b', 'oci:x', '--platform', '']],
  ])('an empty platform is none: %s', async (_name, args) => {
    const world = await World.make();
    expect(await world.run(args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a platform is empty') as unknown,
    });
  });

  test.each<[string, () => { mediaType: string; bytes: Buffer }, string]>([
    ['an OCI index of OCI images', () => build.index, 'auto'],
    [
      'a Docker list',
      () => makeIndex([entryOf(images.amd64, amd64)], {}, 'application/vnd.docker.distribution.manifest.list.v2+json'),
      'auto',
    ],
    ['an OCI index of Docker images', () => makeIndex([entryOf(images.amd64, amd64)]), 'oci'],
    ['the same, annotated', () => makeIndex([entryOf(images.amd64, amd64)], { annotations: { k: 'v' } }), 'auto'],
  ])('the format of a draft of %s is only said where auto would give another', async (_name, made, format) => {
    const world = await World.make();
    const { mediaType, bytes } = made();
    const repository = bytes === build.index.bytes ? 'team/built' : 'team/app';
    await putManifest(registry.url, repository, 'based', mediaType, bytes);
    const draft = await world.json<{ format: string }>('create', at('l:1'), at(`${repository}:based`));
    expect(draft.format).toBe(format);
    expect((await world.run(['inspect', '--raw'])).stdout).toBe(bytes.toString());
    expect((await world.json<{ format: string }>('create', '--amend', '--format', 'oci', at('l:1'))).format).toBe(
      'oci',
    );
  });

  test('an entry without a platform gets that of its image', async () => {
    const silent = makeIndex([entryOf(images.arm)]);
    await putManifest(registry.url, 'team/app', 'silent', silent.mediaType, silent.bytes);
    const world = await World.make();
    const { entries } = await world.json<Drafted>('create', at('l:1'), at('team/app:silent'));
    expect(entries[0]?.platform).toEqual(arm);
  });

  test('a platform for an index of several images is ambiguous', async () => {
    const world = await World.make();
    expect((await world.run(['create', at('l:1'), `${at('team/built')}=linux/arm64`])).code).toBe(2);
  });
});

describe('create --amend', () => {
  test('reads a moved tag again, and says old -> new', async () => {
    const world = await World.make();
    await pushImage(registry.url, 'team/moving', 'arm64', images.arm64);
    await world.must('create', at('l:1'), at('team/moving:arm64'), at('team/app:amd64'));
    await world.must('annotate', '--arch', 'arm64', '--variant', 'v8', '--annotation', 'k=v');
    const moved = makeImage({ salt: 'moved', platform: arm64 });
    await pushImage(registry.url, 'team/moving', 'arm64', moved);
    const { code, stderr } = await world.run(['create', '--amend', at('l:1')]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/sha256:[0-9a-f]{12} -> sha256:[0-9a-f]{12}/)]);
    const { manifests } = JSON.parse(await world.must('inspect')) as { manifests: object[] };
    expect(manifests[0]).toEqual({ ...entryOf(moved), platform: { ...arm64, variant: 'v8' }, annotations: { k: 'v' } });
    expect(manifests).toHaveLength(2);
  });

  test('adds what is new, in its place by source or platform', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:amd64'), at('team/app:arm64'));
    const { entries, changes } = await world.json<Drafted>(
      'create',
      '--amend',
      at('l:1'),
      at('team/app:other'),
      at('team/app:arm'),
    );
    expect(entries.map((entry) => entry.digest)).toEqual(
      [images.other, images.arm64, images.arm].map((image) => image.digest),
    );
    expect(changes.map((change) => [change.type, change.old])).toEqual([
      ['replaced', images.amd64.digest],
      ['added', undefined],
    ]);
  });

  test('an index whose images have changed: replaced, removed and added, with their attestations', async () => {
    const before = await pushBuild(registry.url, 'team/changing', 'latest', [amd64, arm64], 'before');
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:arm'), at('team/changing'));
    const after = await pushBuild(
      registry.url,
      'team/changing',
      'latest',
      [amd64, { architecture: 's390x', os: 'linux' }],
      'after',
    );
    const { entries, changes } = await world.json<Drafted>('create', '--amend', at('l:1'));
    expect(changes.map(({ type }) => type).sort()).toEqual(['added', 'removed', 'replaced', 'unchanged']);
    expect(entries.map((entry) => entry.digest).sort()).toEqual(
      [images.arm, ...after.images, ...after.attestations].map((image) => image.digest).sort(),
    );
    expect(entries.map((entry) => entry.digest)).not.toContain(before.images[0]?.digest);
  });

  test('makes a draft that is not there', async () => {
    const world = await World.make();
    await world.must('create', '--amend', at('l:1'), at('team/app:amd64'));
    expect(await world.must('ls')).toContain('linux/amd64');
  });

  test('of a draft that is not there reads nothing, unless it is told what', async () => {
    const world = await World.make();
    for (const more of [[], ['--index-annotation', 'a=b']]) {
      expect(await world.run(['create', '--amend', at('l:none'), ...more])).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('there is no draft') as unknown,
      });
    }
    expect(await world.must('ls')).toBe('');
  });

  test('without a list means the current draft', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:amd64'));
    await world.must('create', '--amend');
    expect((await world.run(['create'])).code).toBe(2);
  });
});

describe('create --amend of an index that was built again', () => {
  const shorts = (entries: readonly Shown[]) => entries.map((entry) => entry.digest);

  async function rebuilt(name: string, before: readonly Platform[], after: readonly Platform[]) {
    const world = await World.make();
    const old = await pushBuild(registry.url, name, 'latest', before, 'old');
    const drafted = await world.json<Drafted>('create', at('l:1'), at(name));
    const fresh = await pushBuild(registry.url, name, 'latest', after, 'new');
    const amend = async () => shorts((await world.json<Drafted>('create', '--amend', at('l:1'))).entries);
    return { world, old, fresh, drafted: shorts(drafted.entries), amend };
  }

  test('each image and each attestation takes the place of the old one: the list says what the new index says', async () => {
    const { world, fresh, amend } = await rebuilt('team/rebuilt', [amd64, arm64], [amd64, arm64]);
    expect(await amend()).toEqual([...fresh.images, ...fresh.attestations].map(({ digest }) => digest));
    expect(JSON.parse(await world.must('inspect'))).toEqual(JSON.parse(fresh.index.bytes.toString()));
  });

  test('an image that is new goes to the end with its attestation; the others keep their places', async () => {
    const { fresh, amend } = await rebuilt('team/grown', [amd64, arm64], [arm, amd64, arm64]);
    const [first, second, third] = fresh.images.map(({ digest }) => digest);
    const [ofFirst, ofSecond, ofThird] = fresh.attestations.map(({ digest }) => digest);
    expect(await amend()).toEqual([second, third, ofSecond, ofThird, first, ofFirst]);
  });

  test('an image that is gone goes with its attestation', async () => {
    const { fresh, amend } = await rebuilt('team/shrunk', [amd64, arm64, arm], [amd64, arm]);
    expect(await amend()).toEqual([...fresh.images, ...fresh.attestations].map(({ digest }) => digest));
  });

  test('an attestation that the old image had none of is put behind its image', async () => {
    const world = await World.make();
    const { images: bare } = await pushBuild(registry.url, 'team/attested', 'latest', [amd64, arm64], 'bare');
    const plain = makeIndex(bare.map((image, place) => entryOf(image, [amd64, arm64][place])));
    await putManifest(registry.url, 'team/attested', 'latest', plain.mediaType, plain.bytes);
    await world.must('create', at('l:1'), at('team/attested'));
    const { images: made, attestations } = await pushBuild(
      registry.url,
      'team/attested',
      'latest',
      [amd64, arm64],
      'full',
    );
    const { entries } = await world.json<Drafted>('create', '--amend', at('l:1'));
    expect(shorts(entries)).toEqual([made[0], attestations[0], made[1], attestations[1]].map((image) => image?.digest));
  });

  test('several attestations of one image: the k-th takes the place of the k-th, and one that is gone goes', async () => {
    const world = await World.make();
    const attest = (image: Image, salt: string) =>
      makeImage({
        kind: 'oci',
        salt,
        platform: { os: 'unknown', architecture: 'unknown' },
        config: { of: image.digest },
      });
    const put = async (image: Image, salts: readonly string[]) => {
      const made = salts.map((salt) => attest(image, salt));
      for (const one of [image, ...made]) await pushImage(registry.url, 'team/many', undefined, one);
      const [first, ...others] = made.map((one) => attestationEntry(one, image));
      const index = makeIndex([first ?? {}, entryOf(image, amd64), ...others]);
      await putManifest(registry.url, 'team/many', 'latest', index.mediaType, index.bytes);
      return [made[0], image, ...made.slice(1)].map((one) => one?.digest);
    };
    const [before, after] = [makeImage({ kind: 'oci', salt: 'm1' }), makeImage({ kind: 'oci', salt: 'm2' })];
    const old = await put(before, ['a1', 'a2', 'a3']);
    expect(shorts((await world.json<Drafted>('create', at('l:1'), at('team/many'))).entries)).toEqual(old);
    const fresh = await put(after, ['b1', 'b2']);
    expect(shorts((await world.json<Drafted>('create', '--amend', at('l:1'))).entries)).toEqual(fresh);
  });

  test('what was set by hand on an image stays, and nothing happens where nothing is new', async () => {
    const { world, fresh, amend } = await rebuilt('team/set', [amd64, arm64], [amd64, arm64]);
    await world.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    expect(await amend()).toHaveLength(4);
    const { manifests } = JSON.parse(await world.must('inspect')) as { manifests: { platform: Platform }[] };
    expect(manifests[1]).toMatchObject({ digest: fresh.images[1]?.digest, platform: { variant: 'v8' } });
    expect(await world.json<Drafted>('create', '--amend', at('l:1'))).toMatchObject({ changed: false, changes: [] });
  });
});

describe('create --replace', () => {
  test('makes the draft exactly the sources, in their order; what was set on those that stay is kept', async () => {
    const world = await World.make();
    await world.must('create', at('l:1'), at('team/app:amd64'), at('team/app:arm64'), '--index-annotation', 'k=v');
    await world.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const args = ['create', at('l:1'), '--replace', at('team/app:arm'), at('team/app:arm64')];
    const { entries, changed, changes } = await world.json<Drafted>(...args);
    expect(entries.map(({ digest, platform }) => [digest, platform])).toEqual([
      [images.arm.digest, arm],
      [images.arm64.digest, { ...arm64, variant: 'v8' }],
    ]);
    expect([changed, changes.map(({ type, digest }) => [type, digest])]).toEqual([
      true,
      [
        ['added', images.arm.digest],
        ['unchanged', images.arm64.digest],
        ['removed', images.amd64.digest],
      ],
    ]);
    expect(JSON.parse(await world.must('inspect'))).toMatchObject({ annotations: { k: 'v' } });
    expect(await world.json<Drafted>(...args)).toMatchObject({ changed: false, changes: [] });
  });

  test('a tag that has moved: the new image, old -> new, with what was set', async () => {
    const world = await World.make();
    await pushImage(registry.url, 'team/moves', 'x', images.amd64);
    await world.must('create', at('l:1'), at('team/moves:x'));
    await world.must('annotate', '--annotation', 'k=v');
    await pushImage(registry.url, 'team/moves', 'x', images.other);
    const { stderr } = await world.run(['create', at('l:1'), '--replace', at('team/moves:x')]);
    expect(stderr).toMatch(/replaced .* sha256:[0-9a-f]{12} -> sha256:[0-9a-f]{12}/);
    expect(JSON.parse(await world.must('inspect'))).toMatchObject({
      manifests: [{ digest: images.other.digest, annotations: { k: 'v' } }],
    });
  });

  test('what came from another list goes with it, and a platform that is said wins', async () => {
    const world = await World.make();
    const annotated = makeIndex([entryOf(images.arm, arm)], { annotations: { from: 'base' } });
    await putManifest(registry.url, 'team/app', 'base', annotated.mediaType, annotated.bytes);
    await world.must('create', at('l:1'), at('team/app:base'));
    await world.must('create', at('l:1'), '--replace', `${at('team/app:amd64')}=linux/arm/v6`);
    const document = JSON.parse(await world.must('inspect')) as { manifests: Shown[] };
    expect(document).not.toHaveProperty('annotations');
    expect(document.manifests[0]?.platform).toEqual({ ...arm, variant: 'v6' });
  });

  test.each([
    ['no images', ['--replace']],
    ['--amend beside it', ['--replace', '--amend', 'a/b']],
  ])('%s is refused', async (_name, flags) => {
    const world = await World.make();
    expect((await world.run(['create', 'l:1', ...flags])).code).toBe(2);
  });

  test('makes a draft that is not there', async () => {
    const world = await World.make();
    await world.must('create', '--replace', at('l:1'), at('team/app:amd64'));
    expect(await world.must('ls')).toContain('linux/amd64');
  });
});

describe('create -f', () => {
  const digest = () => images.arm.digest;
  test.each<[string, () => string, number]>([
    [
      'lines with comments',
      () => `# two images\n${at('team/app:amd64')}\n\n${at('team/app:arm64')}=linux/arm64/v8 # said\n`,
      2,
    ],
    ['bare digests of the repository of the list', () => `${digest()}\n`, 1],
    ['a descriptor', () => JSON.stringify(entryOf(images.arm, arm)), 1],
    ['descriptors', () => JSON.stringify([entryOf(images.arm, arm), entryOf(images.amd64)]), 2],
    ['an index', () => makeIndex([entryOf(images.arm, arm), entryOf(images.amd64, amd64)]).bytes.toString(), 2],
    [
      'the metadata of a build',
      () => JSON.stringify({ 'containerimage.digest': digest(), 'image.name': `${at('team/app:x')},y/z` }),
      1,
    ],
    [
      'the metadata of a bake',
      () =>
        JSON.stringify({
          one: { 'containerimage.digest': digest() },
          two: { 'containerimage.digest': images.amd64.digest },
        }),
      2,
    ],
  ])('%s', async (_name, content, count) => {
    const world = await World.make();
    await writeFile(join(world.folder, 'sources'), content());
    expect((await world.json<Drafted>('create', at('team/app:list'), '-f', 'sources')).entries).toHaveLength(count);
    const piped = await world.run(['create', at('team/app:piped'), '-f', '-'], { stdin: content() });
    expect(piped.code).toBe(0);
  });

  test.each([
    ['no sources', '# none\n', 2],
    ['an empty object', '{}', 3],
    ['broken JSON', '{"manifests":', 3],
    ['a descriptor without a digest', '{"manifests":[{"size":1}]}', 3],
    ['a reference that is none', 'a:b:c\n', 2],
  ])('%s: a clear error', async (_name, content, code) => {
    const world = await World.make();
    await writeFile(join(world.folder, 'sources'), content);
    expect((await world.run(['create', at('team/app:list'), '-f', 'sources'])).code).toBe(code);
    expect(await world.must('ls')).toBe('');
  });

  test('a descriptor that is not what lies there is refused', async () => {
    const world = await World.make();
    const wrong = { ...entryOf(images.arm, arm), size: 1 };
    expect(await world.run(['create', at('team/app:l'), '-f', '-'], { stdin: JSON.stringify(wrong) })).toMatchObject({
      code: 7,
    });
  });

  test('no such file', async () => {
    const world = await World.make();
    expect(await world.run(['create', at('team/app:l'), '-f', 'nowhere'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('nowhere') as unknown,
    });
  });
});
