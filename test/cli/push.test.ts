import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import {
  arm64,
  at,
  count,
  layerDigest,
  list,
  registry,
  requests,
  sent,
  servePushed,
  served,
  tag,
  world,
} from '../support/pushed-lists.ts';

/** What `push` sends, and where to. */
servePushed();

describe('what is sent', () => {
  test('children of the same repository: a look at the tag, then the list', async () => {
    await world.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect(sent().sort()).toEqual([
      'GET team/app/blobs/',
      'GET team/app/blobs/',
      'GET team/app/manifests/amd64',
      'GET team/app/manifests/arm64',
    ]);
    await world.must('push');
    expect(sent()).toEqual([`HEAD team/app/manifests/${tag()}`, `PUT team/app/manifests/${tag()}`]);
  });

  test('children of another repository: a look at the tag, mounts, the children, the list', async () => {
    const list = at(`team/mounted${count}:list`);
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
    const list = at(`team/taken${count}:list`);
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
    await fetch(`${registry.url}/v2/team/gone/blobs/${layerDigest(gone)}`, { method: 'DELETE' });
    const { code, stderr } = await world.run(['push', '--retries', '0']);
    expect([code, stderr]).toEqual([4, expect.stringContaining(`team/gone@${layerDigest(gone)}`)]);
    expect(await served()).toBeUndefined();
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
