import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { entryOf, makeIndex, putManifest } from '../support/images.ts';
import { amd64, arm64, at, list, registry, served, servePushImages, tag, cli } from '../support/push-fixture.ts';

/** Drafts after a push, and drafts of lists that others change too. */
servePushImages();

describe('drafts of published lists', () => {
  const index = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })], { annotations: { k: 'v' } });

  async function draftOfRemote(): Promise<void> {
    await putManifest(registry.url, 'team/app', tag(), index.mediaType, index.bytes);
    await cli.must('create', list, `docker://${list}`);
  }

  test('are pushed if the tag has not moved, also a second time', async () => {
    await draftOfRemote();
    await cli.must('annotate', '--variant', 'v2');
    await cli.must('push');
    await cli.must('annotate', '--variant', 'v3');
    const digest = await cli.must('push');
    expect((await served())?.digest).toBe(digest);
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({ annotations: { k: 'v' } });
  });

  test('are refused if the tag has moved', async () => {
    await draftOfRemote();
    await cli.must('annotate', '--variant', 'v2');
    const other = makeIndex([entryOf(arm64, { architecture: 'arm64', os: 'linux' })]);
    await putManifest(registry.url, 'team/app', tag(), other.mediaType, other.bytes);
    expect(await cli.run(['push'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining(other.digest) as unknown,
    });
    expect((await served())?.digest).toBe(other.digest);
    expect((await cli.run(['push', '--if-digest', other.digest, '--replace-image'])).code).toBe(0);
  });

  test('--amend adds the changes of others, and then they can be pushed', async () => {
    await draftOfRemote();
    await cli.must('annotate', '--variant', 'v2');
    const otherList = makeIndex(
      [
        { ...entryOf(amd64, { architecture: 'amd64', os: 'linux' }), annotations: { theirs: 'x' } },
        entryOf(arm64, { architecture: 'arm64', os: 'linux' }),
      ],
      { annotations: { k: 'v' } },
    );
    await putManifest(registry.url, 'team/app', tag(), otherList.mediaType, otherList.bytes);
    expect(await cli.run(['push'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('mlist create --amend') as unknown,
    });
    await cli.must('create', '--amend');
    await cli.must('push');
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({
      annotations: { k: 'v' },
      manifests: [
        { digest: amd64.digest, annotations: { theirs: 'x' }, platform: { architecture: 'amd64', variant: 'v2' } },
        { digest: arm64.digest },
      ],
    });
  });

  describe('are refused if others have changed fields of the list', () => {
    const otherList = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })], {
      annotations: { k: 'theirs' },
    });
    const refused = () => cli.run(['push']);

    beforeEach(async () => {
      await draftOfRemote();
      await cli.must('annotate', '--variant', 'v2');
      await putManifest(registry.url, 'team/app', tag(), otherList.mediaType, otherList.bytes);
    });

    test('--amend keeps such changes, and warns that the push is still refused, with the reason', async () => {
      const { code, stderr } = await cli.run(['create', '--amend']);
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining(
          `warning: ${list} now refers to ${otherList.digest}, whose annotations differ from this draft. The draft is still based on ${index.digest}, so a push to this tag is refused.`,
        ),
      ]);
      expect(stderr).toContain(`"mlist push --if-digest ${otherList.digest}"`);
      expect(stderr.match(/annotations/g)).toHaveLength(1);
      expect((await refused()).code).toBe(5);
      expect((await served())?.digest).toBe(otherList.digest);
    });

    test('the hint of a refused push suggests --amend, but not again after it', async () => {
      expect((await refused()).stderr).toContain(`"mlist create --amend ${list}" reads it again`);
      await cli.must('create', '--amend');
      const { code, stderr } = await refused();
      expect([code, stderr]).toEqual([
        5,
        expect.stringContaining(
          `but differs from it in annotations or other members ("mlist diff ${list}"): set the same values with`,
        ),
      ]);
      expect(stderr).not.toContain('--amend');
    });

    test.each([
      [
        'annotate, then --amend',
        [
          ['annotate', '--index-annotation', 'k=theirs'],
          ['create', '--amend'],
        ],
      ],
      ['--amend with the same annotation', [['create', '--amend', '--index-annotation', 'k=theirs']]],
    ])('an equal draft is pushed: %s', async (_name, commands) => {
      for (const command of commands) await cli.must(...command);
      await cli.must('push');
      expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({
        annotations: { k: 'theirs' },
        manifests: [{ platform: { variant: 'v2' } }],
      });
    });

    test('a draft without any image of the list: the hint does not suggest --amend, which would read nothing', async () => {
      await cli.must('add', at('team/app:arm64'));
      await cli.must('remove', '--platform', 'linux/amd64/v2');
      const { code, stderr } = await refused();
      expect([code, stderr]).toEqual([5, expect.stringContaining(`start over with "mlist rm ${list}"`)]);
      expect(stderr).not.toContain('"mlist create --amend');
    });
  });

  test('no message if nobody has changed the list', async () => {
    await draftOfRemote();
    await cli.must('annotate', '--index-annotation', 'mine=1');
    expect((await cli.run(['create', '--amend'])).stderr).not.toContain('warning');
    await cli.must('push');
  });

  test('a warning if somebody has moved a tag that this draft has pushed', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    await cli.must('push');
    const other = makeIndex([entryOf(arm64, { architecture: 'arm64', os: 'linux' })]);
    await putManifest(registry.url, 'team/app', tag(), other.mediaType, other.bytes);
    expect(await cli.run(['push', '--replace-image'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/was moved after the last push of this draft: it referred to sha256:/) as unknown,
    });
  });
});

describe('the draft afterwards', () => {
  test('--purge removes it and its state', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    await cli.must('push', '--purge');
    expect(await cli.must('ls')).toBe('');
    expect((await cli.run(['push'])).code).toBe(4);
    expect(await readFile(join(cli.workspace, 'state.json'), 'utf8')).not.toContain('list');
  });

  test('is kept without --purge', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    await cli.must('push');
    expect(await cli.must('ls')).toContain(list);
  });

  test('a damaged state is reported, with a simple fix', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const path = join(cli.workspace, 'state.json');
    await writeFile(path, '{"version":1,"current":');
    expect(await cli.run(['push', list])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(path) as unknown,
    });
    await rm(path);
    expect((await cli.run(['push', list])).code).toBe(0);
  });
});
