import { describe, expect, test } from '@jest/globals';
import { makeImage, pushImage } from '../support/images.ts';
import { drafted, entries, image, list, registry, serveImages, cli } from '../support/edit-fixture.ts';

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
    await cli.must('add', image('arm64-2'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64']);
    await cli.must('add', list, '--keep', image('arm64'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm64', 'amd64', 'arm64']);
  });

  test('adding the same image from another source changes nothing', async () => {
    await drafted('built', 'armv7');
    const before = await cli.must('inspect');
    const { changed, entries: all } = await cli.json<{
      changed: boolean;
      entries: { digest: string; source: string }[];
    }>('create', '--amend', list);
    expect([changed, await cli.must('inspect')]).toEqual([false, before]);
    const byDigest = `${registry.host}/team/app@${all[1]?.digest ?? ''}`;
    const added = await cli.json<{ changed: boolean; entries: { source: string }[] }>('add', byDigest);
    expect([added.changed, await cli.must('inspect')]).toEqual([false, before]);
    expect(added.entries[1]?.source).toBe(image('built'));
  });

  test('remove also removes the attestation of the image', async () => {
    await drafted('built', 'armv7');
    await cli.must('remove', '--platform', 'linux/arm64');
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['amd64', 'unknown', 'arm']);
    await cli.must('remove', list, image('built'));
    expect((await entries()).map((entry) => entry.platform?.['architecture'])).toEqual(['arm']);
  });

  test('remove by a digest, or by the beginning of one', async () => {
    await drafted('arm64', 'amd64', 'armv7');
    const { entries: all } = await cli.json<{ entries: { digest: string }[] }>('create', '--amend', list);
    await cli.must('remove', all[0]?.digest ?? '');
    await cli.must('remove', list, all[1]?.digest.slice(7, 15) ?? '');
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
    expect((await cli.run(['remove', ...args])).code).toBe(code);
    expect(await entries()).toHaveLength(1);
  });

  test('remove LIST --platform', async () => {
    await drafted('arm64', 'amd64');
    await cli.must('create', `${registry.host}/team/app:another`);
    await cli.must('remove', list, '--platform', 'arm64');
    expect((await cli.must('inspect', list)).includes('arm64')).toBe(false);
  });
});
