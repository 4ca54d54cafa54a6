import { describe, expect, test } from '@jest/globals';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { attestationEntry, pushBuild } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import {
  amd64,
  arm,
  arm64,
  at,
  images,
  registry,
  serveCreateImages,
  type Drafted,
  type Shown,
} from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `create --amend` and `create --replace`. */
serveCreateImages();

describe('create --amend', () => {
  test('reads a moved tag again, and reports the old and the new digest', async () => {
    const cli = await CliHarness.make();
    await pushImage(registry.url, 'team/moving', 'arm64', images.arm64);
    await cli.must('create', at('l:1'), at('team/moving:arm64'), at('team/app:amd64'));
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8', '--annotation', 'k=v');
    const moved = makeImage({ salt: 'moved', platform: arm64 });
    await pushImage(registry.url, 'team/moving', 'arm64', moved);
    const { code, stderr } = await cli.run(['create', '--amend', at('l:1')]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/sha256:[0-9a-f]{12} -> sha256:[0-9a-f]{12}/)]);
    const { manifests } = JSON.parse(await cli.must('inspect')) as { manifests: object[] };
    expect(manifests[0]).toEqual({ ...entryOf(moved), platform: { ...arm64, variant: 'v8' }, annotations: { k: 'v' } });
    expect(manifests).toHaveLength(2);
  });

  test('reports unchanged sources', async () => {
    const cli = await CliHarness.make();
    const sources = [at('team/app:amd64'), at('team/app:arm64')];
    await cli.must('create', at('l:1'), ...sources);
    for (const flags of [['--amend'], ['--amend', sources[0] ?? ''], ['--replace', ...sources]]) {
      const { code, stdout, stderr } = await cli.run(['create', at('l:1'), ...flags]);
      expect([code, stdout]).toEqual([0, `Created manifest list ${at('l:1')}\n`]);
      expect(stderr).toMatch(/^(?:unchanged .*team\/app:a\w+64 \(linux\/.*\n)+$/);
      expect(stderr.match(/unchanged/g)).toHaveLength(flags.length === 2 ? 1 : 2);
    }
  });

  test('does not add the fields of an index to an existing draft, with a note', async () => {
    const cli = await CliHarness.make();
    const otherIndex = makeIndex([entryOf(images.arm, arm)], { annotations: { theirs: '1' } });
    await putManifest(registry.url, 'team/app', 'theirs', otherIndex.mediaType, otherIndex.bytes);
    await cli.must('create', at('l:1'), at('team/app:amd64'));
    expect((await cli.run(['create', '--amend', at('l:1'), at('team/app:theirs')])).stderr).toContain(
      `warning: members of the index ${at('team/app:theirs')} are not kept, because the draft keeps its own values: annotations`,
    );
  });

  test('keeps the fields of the only index, even if the draft now has more sources', async () => {
    const cli = await CliHarness.make();
    const otherIndex = makeIndex([entryOf(images.arm, arm)], { annotations: { theirs: '1' } });
    await putManifest(registry.url, 'team/app', 'based', otherIndex.mediaType, otherIndex.bytes);
    await cli.must('create', at('l:1'), at('team/app:based'));
    await cli.must('add', at('team/app:amd64'));
    expect((await cli.run(['create', '--amend'])).stderr).not.toContain('are not kept');
  });

  test('adds new images in the order of sources or platforms', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:amd64'), at('team/app:arm64'));
    const { entries, changes } = await cli.json<Drafted>(
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

  test('an index with changed images: replaces, removes and adds them with their attestations', async () => {
    const before = await pushBuild(registry.url, 'team/changing', 'latest', [amd64, arm64], 'before');
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:arm'), at('team/changing'));
    const after = await pushBuild(
      registry.url,
      'team/changing',
      'latest',
      [amd64, { architecture: 's390x', os: 'linux' }],
      'after',
    );
    const { entries, changes } = await cli.json<Drafted>('create', '--amend', at('l:1'));
    expect(changes.map(({ type }) => type).sort()).toEqual(['added', 'removed', 'replaced', 'unchanged']);
    expect(entries.map((entry) => entry.digest).sort()).toEqual(
      [images.arm, ...after.images, ...after.attestations].map((image) => image.digest).sort(),
    );
    expect(entries.map((entry) => entry.digest)).not.toContain(before.images[0]?.digest);
  });

  test('creates a draft that does not exist', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', '--amend', at('l:1'), at('team/app:amd64'));
    expect(await cli.must('ls')).toContain('linux/amd64');
  });

  test('fails without sources if the draft does not exist', async () => {
    const cli = await CliHarness.make();
    for (const more of [[], ['--index-annotation', 'a=b']]) {
      expect(await cli.run(['create', '--amend', at('l:none'), ...more])).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('there is no draft') as unknown,
      });
    }
    expect(await cli.must('ls')).toBe('');
  });

  test('uses the current draft without a list', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:amd64'));
    await cli.must('create', '--amend');
    expect((await cli.run(['create'])).code).toBe(2);
  });
});

describe('create --amend with a rebuilt index', () => {
  const shorts = (entries: readonly Shown[]) => entries.map((entry) => entry.digest);

  async function rebuilt(name: string, before: readonly Platform[], after: readonly Platform[]) {
    const cli = await CliHarness.make();
    const old = await pushBuild(registry.url, name, 'latest', before, 'old');
    const drafted = await cli.json<Drafted>('create', at('l:1'), at(name));
    const fresh = await pushBuild(registry.url, name, 'latest', after, 'new');
    const amend = async () => shorts((await cli.json<Drafted>('create', '--amend', at('l:1'))).entries);
    return { cli, old, fresh, drafted: shorts(drafted.entries), amend };
  }

  test('replaces each image and each attestation: the list equals the new index', async () => {
    const { cli, fresh, amend } = await rebuilt('team/rebuilt', [amd64, arm64], [amd64, arm64]);
    expect(await amend()).toEqual([...fresh.images, ...fresh.attestations].map(({ digest }) => digest));
    expect(JSON.parse(await cli.must('inspect'))).toEqual(JSON.parse(fresh.index.bytes.toString()));
  });

  test('appends a new image with its attestation, without moving the others', async () => {
    const { fresh, amend } = await rebuilt('team/grown', [amd64, arm64], [arm, amd64, arm64]);
    const [first, second, third] = fresh.images.map(({ digest }) => digest);
    const [ofFirst, ofSecond, ofThird] = fresh.attestations.map(({ digest }) => digest);
    expect(await amend()).toEqual([second, third, ofSecond, ofThird, first, ofFirst]);
  });

  test('removes an image that is gone with its attestation', async () => {
    const { fresh, amend } = await rebuilt('team/shrunk', [amd64, arm64, arm], [amd64, arm]);
    expect(await amend()).toEqual([...fresh.images, ...fresh.attestations].map(({ digest }) => digest));
  });

  test('inserts the attestation of an image that had none after the image', async () => {
    const cli = await CliHarness.make();
    const { images: bare } = await pushBuild(registry.url, 'team/attested', 'latest', [amd64, arm64], 'bare');
    const plain = makeIndex(bare.map((image, index) => entryOf(image, [amd64, arm64][index])));
    await putManifest(registry.url, 'team/attested', 'latest', plain.mediaType, plain.bytes);
    await cli.must('create', at('l:1'), at('team/attested'));
    const { images: created, attestations } = await pushBuild(
      registry.url,
      'team/attested',
      'latest',
      [amd64, arm64],
      'full',
    );
    const { entries } = await cli.json<Drafted>('create', '--amend', at('l:1'));
    expect(shorts(entries)).toEqual(
      [created[0], attestations[0], created[1], attestations[1]].map((image) => image?.digest),
    );
  });

  test('several attestations of one image: the nth replaces the nth, and surplus ones are removed', async () => {
    const cli = await CliHarness.make();
    const attest = (image: Image, salt: string) =>
      makeImage({
        kind: 'oci',
        salt,
        platform: { os: 'unknown', architecture: 'unknown' },
        config: { of: image.digest },
      });
    const put = async (image: Image, salts: readonly string[]) => {
      const created = salts.map((salt) => attest(image, salt));
      for (const one of [image, ...created]) await pushImage(registry.url, 'team/many', undefined, one);
      const [first, ...others] = created.map((one) => attestationEntry(one, image));
      const index = makeIndex([first ?? {}, entryOf(image, amd64), ...others]);
      await putManifest(registry.url, 'team/many', 'latest', index.mediaType, index.bytes);
      return [created[0], image, ...created.slice(1)].map((one) => one?.digest);
    };
    const [before, after] = [makeImage({ kind: 'oci', salt: 'm1' }), makeImage({ kind: 'oci', salt: 'm2' })];
    const old = await put(before, ['a1', 'a2', 'a3']);
    expect(shorts((await cli.json<Drafted>('create', at('l:1'), at('team/many'))).entries)).toEqual(old);
    const fresh = await put(after, ['b1', 'b2']);
    expect(shorts((await cli.json<Drafted>('create', '--amend', at('l:1'))).entries)).toEqual(fresh);
  });

  test('keeps fields that annotate has set, and changes nothing without new content', async () => {
    const { cli, fresh, amend } = await rebuilt('team/set', [amd64, arm64], [amd64, arm64]);
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    expect(await amend()).toHaveLength(4);
    const { manifests } = JSON.parse(await cli.must('inspect')) as { manifests: { platform: Platform }[] };
    expect(manifests[1]).toMatchObject({ digest: fresh.images[1]?.digest, platform: { variant: 'v8' } });
    expect(await cli.json<Drafted>('create', '--amend', at('l:1'))).toMatchObject({ changed: false, changes: [] });
  });
});

describe('create --replace', () => {
  test('replaces all images in the given order, and keeps what annotate has set on remaining ones', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', at('l:1'), at('team/app:amd64'), at('team/app:arm64'), '--index-annotation', 'k=v');
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const args = ['create', at('l:1'), '--replace', at('team/app:arm'), at('team/app:arm64')];
    const { entries, changed, changes } = await cli.json<Drafted>(...args);
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
    expect(JSON.parse(await cli.must('inspect'))).toMatchObject({ annotations: { k: 'v' } });
    expect(await cli.json<Drafted>(...args)).toMatchObject({ changed: false, changes: [] });
  });

  test('a moved tag: lists the new image, with what annotate has set', async () => {
    const cli = await CliHarness.make();
    await pushImage(registry.url, 'team/moves', 'x', images.amd64);
    await cli.must('create', at('l:1'), at('team/moves:x'));
    await cli.must('annotate', '--annotation', 'k=v');
    await pushImage(registry.url, 'team/moves', 'x', images.other);
    const { stderr } = await cli.run(['create', at('l:1'), '--replace', at('team/moves:x')]);
    expect(stderr).toMatch(/replaced .* sha256:[0-9a-f]{12} -> sha256:[0-9a-f]{12}/);
    expect(JSON.parse(await cli.must('inspect'))).toMatchObject({
      manifests: [{ digest: images.other.digest, annotations: { k: 'v' } }],
    });
  });

  test('drops what the removed list had set, and an explicit platform takes precedence', async () => {
    const cli = await CliHarness.make();
    const annotated = makeIndex([entryOf(images.arm, arm)], { annotations: { from: 'base' } });
    await putManifest(registry.url, 'team/app', 'base', annotated.mediaType, annotated.bytes);
    await cli.must('create', at('l:1'), at('team/app:base'));
    await cli.must('create', at('l:1'), '--replace', `${at('team/app:amd64')}=linux/arm/v6`);
    const document = JSON.parse(await cli.must('inspect')) as { manifests: Shown[] };
    expect(document).not.toHaveProperty('annotations');
    expect(document.manifests[0]?.platform).toEqual({ ...arm, variant: 'v6' });
  });

  test.each([
    ['no images', ['--replace']],
    ['--amend', ['--replace', '--amend', 'a/b']],
  ])('refuses %s', async (_name, flags) => {
    const cli = await CliHarness.make();
    expect((await cli.run(['create', 'l:1', ...flags])).code).toBe(2);
  });

  test('creates a draft that does not exist', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', '--replace', at('l:1'), at('team/app:amd64'));
    expect(await cli.must('ls')).toContain('linux/amd64');
  });
});

/** An image whose platform was set to another one than its config states. */
describe('an explicit platform', () => {
  const says = (image: Image, platform: Platform) => ({ ...entryOf(image), platform });
  const v6 = { ...arm, variant: 'v6' };

  test.each([
    ['create --amend', ['create', '--amend', 'LIST', 'OTHER', 'IMAGE']],
    ['create --replace', ['create', '--replace', 'LIST', 'OTHER', 'IMAGE']],
    ['add', ['add', 'LIST', 'IMAGE']],
  ])('%s: overrides the earlier platform, and keeps the other fields', async (_name, args) => {
    const cli = await CliHarness.make();
    const [image, other] = [at('team/app:arm'), at('team/app:amd64')];
    const manifests = async () => (JSON.parse(await cli.must('inspect')) as { manifests: object[] }).manifests;
    const run = (platform: string) => {
      const words = { LIST: at('l:1'), OTHER: other, IMAGE: `${image}=${platform}` };
      return cli.json<Drafted>(...args.map((word) => (words as Record<string, string>)[word] ?? word));
    };
    await cli.must('create', at('l:1'), other, `${image}=linux/arm/v5`);
    await cli.must('annotate', at('l:1'), image, '--annotation', 'k=v');
    expect((await run('linux/arm/v6')).changes.at(-1)).toMatchObject({ type: 'changed', platform: v6 });
    expect((await manifests())[1]).toEqual({ ...says(images.arm, v6), annotations: { k: 'v' } });
    expect((await run('linux/arm/v7')).changes.at(-1)).toMatchObject({ type: 'changed', platform: arm });
    expect((await manifests())[1]).toEqual({ ...says(images.arm, arm), annotations: { k: 'v' } });
    expect(await run('linux/arm/v7')).toMatchObject({ changed: false });
  });
});
