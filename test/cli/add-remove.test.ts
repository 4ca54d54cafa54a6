import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { makeImage, pushImage } from '../support/images.ts';
import { drafted, entries, image, list, registry, serveImages, cli } from '../support/edit-fixture.ts';
import { expectFits } from '../support/schemas.ts';

/** `add`, `remove` and `rm`. */
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

describe('rm --all', () => {
  const draftsIn = (): Promise<readonly string[]> => readdir(join(cli.workspace, 'drafts'));
  const twoDrafts = async (): Promise<readonly string[]> => {
    await drafted('amd64');
    await cli.must('create', image('other'), image('arm64'));
    return [list, image('other')];
  };

  test('removes all drafts and lists them, and succeeds without drafts', async () => {
    const names = await twoDrafts();
    const { code, stdout } = await cli.run(['rm', '--all', '--json']);
    expectFits('rm', stdout);
    expect([code, JSON.parse(stdout)]).toEqual([0, { removed: names }]);
    expect([await draftsIn(), await cli.must('ls')]).toEqual([[], '']);
    expect((await cli.run(['show'])).code).toBe(4);
    expect(await cli.run(['rm', '--all'])).toEqual({ code: 0, stdout: '', stderr: 'no draft was removed\n' });
  });

  test.each<[string, readonly string[], readonly string[], string, number]>([
    ['y removes', ['y'], [], 'Remove these 2 drafts? [y/N] ', 0],
    ['Yes removes', [' Yes '], [], 'Remove these 2 drafts? [y/N] ', 0],
    ['n keeps', ['n'], [], 'no draft was removed', 2],
    ['Enter keeps', [''], [], 'no draft was removed', 2],
    ['--no-input does not ask, and removes', ['n'], ['--no-input'], 'removed ', 0],
  ])('on a terminal, the answer %s the drafts', async (_name, answers, args, text, left) => {
    const names = await twoDrafts();
    const { code, stderr } = await cli.run(['rm', '--all', ...args], { terminal: true, answers });
    for (const name of left === 0 ? names : []) expect(stderr).toContain(`removed ${name}`);
    expect([code, stderr, (await draftsIn()).length]).toEqual([0, expect.stringContaining(text), left]);
  });

  test('removes damaged drafts, and reports files with other names', async () => {
    await twoDrafts();
    const [first = ''] = await draftsIn();
    await writeFile(join(cli.workspace, 'drafts', first), 'damaged');
    await writeFile(join(cli.workspace, 'drafts', 'Other File.json'), '{}');
    const { code, stderr } = await cli.run(['rm', '--all']);
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/Other File\.json was not removed[^]*hint: Delete the file/),
    ]);
    expect(await draftsIn()).toEqual(['Other File.json']);
  });

  test.each<[string, readonly string[], string]>([
    ['with a list', ['rm', '--all', 'team/app:1'], '--all cannot be combined with the name of a list'],
    ['without a list and --all', ['rm'], 'missing argument: LIST'],
  ])('is refused %s', async (_name, args, message) => {
    await twoDrafts();
    const { code, stderr } = await cli.run(args);
    expect([code, stderr, (await draftsIn()).length]).toEqual([2, expect.stringContaining(message), 2]);
  });
});
