import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { entryOf, makeIndex, putManifest } from '../support/images.ts';
import { amd64, arm64, at, list, registry, served, servePushed, tag, world } from '../support/pushed-lists.ts';

/** What becomes of a draft that is pushed, and of one that was made from a list that others change too. */
servePushed();

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
    expect((await world.run(['push', '--if-digest', other.digest, '--replace-image'])).code).toBe(0);
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

  describe('where others have said other things of the list itself', () => {
    const theirs = makeIndex([entryOf(amd64, { architecture: 'amd64', os: 'linux' })], {
      annotations: { k: 'theirs' },
    });
    const refused = () => world.run(['push']);

    beforeEach(async () => {
      await draftOfRemote();
      await world.must('annotate', '--variant', 'v2');
      await putManifest(registry.url, 'team/app', tag(), theirs.mediaType, theirs.bytes);
    });

    test('--amend does not lose them: it warns that the push is still refused, why, and what to do', async () => {
      const { code, stderr } = await world.run(['create', '--amend']);
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining(
          `warning: ${list} has ${theirs.digest} now, with other annotations than this draft: it stays based on ${index.digest}, and a push there is still refused.`,
        ),
      ]);
      expect(stderr).toContain(`"mlist push --if-digest ${theirs.digest}"`);
      expect(stderr.match(/annotations/g)).toHaveLength(1);
      expect((await refused()).code).toBe(5);
      expect((await served())?.digest).toBe(theirs.digest);
    });

    test('the refused push sends to --amend once, and not in a circle', async () => {
      expect((await refused()).stderr).toContain(`"mlist create --amend ${list}" reads it again`);
      await world.must('create', '--amend');
      const { code, stderr } = await refused();
      expect([code, stderr]).toEqual([
        5,
        expect.stringContaining(`but differs in annotations or other members ("mlist diff ${list}"): apply them with`),
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
      ['--amend that says it', [['create', '--amend', '--index-annotation', 'k=theirs']]],
    ])('a draft that says the same goes up: %s', async (_name, commands) => {
      for (const command of commands) await world.must(...command);
      await world.must('push');
      expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({
        annotations: { k: 'theirs' },
        manifests: [{ platform: { variant: 'v2' } }],
      });
    });

    test('a draft that has no image of the list any more is not sent to --amend, which reads none', async () => {
      await world.must('add', at('team/app:arm64'));
      await world.must('remove', '--platform', 'linux/amd64/v2');
      const { code, stderr } = await refused();
      expect([code, stderr]).toEqual([5, expect.stringContaining(`start over with "mlist rm ${list}"`)]);
      expect(stderr).not.toContain('"mlist create --amend');
    });
  });

  test('a list that others have left as it was says nothing of that', async () => {
    await draftOfRemote();
    await world.must('annotate', '--index-annotation', 'mine=1');
    expect((await world.run(['create', '--amend'])).stderr).not.toContain('warning');
    await world.must('push');
  });

  test('a tag that this draft pushed, and that somebody has moved since, is warned of', async () => {
    await world.must('create', list, at('team/app:amd64'));
    await world.must('push');
    const other = makeIndex([entryOf(arm64, { architecture: 'arm64', os: 'linux' })]);
    await putManifest(registry.url, 'team/app', tag(), other.mediaType, other.bytes);
    expect(await world.run(['push', '--replace-image'])).toMatchObject({
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
