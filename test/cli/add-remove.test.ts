import { describe, expect, test } from '@jest/globals';
import { makeImage, pushImage } from '../support/images.ts';
import { drafted, entries, image, list, registry, serveImages, world } from '../support/edited-lists.ts';

/** `add` and `remove`. */
serveImages();

describe('add and remove', () => {
  test('add replaces the image of the same platform, or keeps both', async () => {
    await drafted('arm64', 'amd64');
    await pushImage(
      registry.url,
      'team/app',
      'arm64-2',
      makeImage({ salt: 'second', platform: { architecture: 'arm64', os: 'linux' } }),
    );
    await world.must('add', image('arm64-2'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64']);
    await world.must('add', list, '--keep', image('arm64'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64', 'arm64']);
  });

  test('adding the same image from another source changes nothing', async () => {
    await drafted('built', 'armv7');
    const before = await world.must('inspect');
    const { changed, entries: all } = await world.json<{
      changed: boolean;
      entries: { digest: string; source: string }[];
    }>('create', '--amend', list);
    expect([changed, await world.must('inspect')]).toEqual([false, before]);
    const byDigest = `${registry.host}/team/app@${all[1]?.digest ?? ''}`;
    const added = await world.json<{ changed: boolean; entries: { source: string }[] }>('add', byDigest);
    expect([added.changed, await world.must('inspect')]).toEqual([false, before]);
    expect(added.entries[1]?.source).toBe(image('built'));
  });

  test('remove also removes the attestation of the image', async () => {
    await drafted('built', 'armv7');
    await world.must('remove', '--platform', 'linux/arm64');
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['amd64', 'unknown', 'arm']);
    await world.must('remove', list, image('built'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm']);
  });

  test('remove by a digest, or by the beginning of one', async () => {
    await drafted('arm64', 'amd64', 'armv7');
    const { entries: all } = await world.json<{ entries: { digest: string }[] }>('create', '--amend', list);
    await world.must('remove', all[0]?.digest ?? '');
    await world.must('remove', list, all[1]?.digest.slice(7, 15) ?? '');
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm']);
  });

  test.each<[string, readonly string[], number]>([
    ['no such image', ['gone'], 4],
    ['no such digest', ['sha256:0123456789'], 4],
    ['no such platform', ['--platform', 'linux/s390x'], 4],
    ['nothing named', [], 2],
    ['no such draft', ['x.io/none:1', 'gone'], 4],
  ])('remove: %s', async (_name, args, code) => {
    await drafted('arm64');
    expect((await world.run(['remove', ...args])).code).toBe(code);
    expect(await entries()).toHaveLength(1);
  });

  test('remove LIST --platform', async () => {
    await drafted('arm64', 'amd64');
    await world.must('create', `${registry.host}/team/app:another`);
    await world.must('remove', list, '--platform', 'arm64');
    expect((await world.must('inspect', list)).includes('arm64')).toBe(false);
  });
});
