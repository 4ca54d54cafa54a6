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
  servePushImages,
  served,
  tag,
  cli,
} from '../support/push-fixture.ts';

/** The requests and targets of `push`. */
servePushImages();

describe('requests', () => {
  test('children in the same repository: reads the tag, puts the list', async () => {
    await cli.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect(sent().sort()).toEqual([
      'GET team/app/blobs/',
      'GET team/app/blobs/',
      'GET team/app/manifests/amd64',
      'GET team/app/manifests/arm64',
    ]);
    await cli.must('push');
    expect(sent()).toEqual([`HEAD team/app/manifests/${tag()}`, `PUT team/app/manifests/${tag()}`]);
  });

  test('children in another repository: reads the tag, mounts blobs, puts the children and the list', async () => {
    const list = at(`team/mounted${count}:list`);
    await cli.must('create', list, at('team/elsewhere:amd64'), at('team/elsewhere:arm64'));
    requests.length = 0;
    await cli.must('push');
    const to = `team/mounted${count}`;
    const all = sent();
    expect([all[0], all.at(-1)]).toEqual([`HEAD ${to}/manifests/list`, `PUT ${to}/manifests/list`]);
    expect(all.slice(1, -1).sort()).toEqual([
      ...Array.from({ length: 4 }, () => `POST ${to}/blobs/uploads/`),
      ...Array.from({ length: 2 }, () => `PUT ${to}/manifests/`),
    ]);
  });

  test('an index of another repository: reads its children once', async () => {
    const { images, attestations } = await pushBuild(registry.url, 'team/index', 'latest', [
      { architecture: 'amd64', os: 'linux' },
    ]);
    const list = at(`team/taken${count}:list`);
    await cli.must('create', list, at('team/index'));
    requests.length = 0;
    await cli.must('push');
    const reads = sent().filter((request) => request.startsWith('GET'));
    expect(reads).toEqual(
      Array.from({ length: images.length + attestations.length }, () => 'GET team/index/manifests/'),
    );
    expect(await getManifest(registry.url, `team/taken${count}`, attestations[0]?.digest ?? '')).toBeDefined();
  });

  test('an unchanged list: one request', async () => {
    await cli.must('create', list, at('team/app:amd64'), at('team/elsewhere:arm64'));
    const digest = await cli.must('push');
    requests.length = 0;
    expect(await cli.must('push')).toBe(digest);
    expect(sent()).toEqual([`HEAD team/app/manifests/${tag()}`]);
  });

  test('--force checks every child and puts the list even if it exists', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    await cli.must('push');
    requests.length = 0;
    await cli.must('push', '--force');
    expect(sent()).toEqual([
      `HEAD team/app/manifests/${tag()}`,
      'HEAD team/app/manifests/',
      `PUT team/app/manifests/${tag()}`,
    ]);
  });

  test('writes nothing if a child turns out to be missing', async () => {
    const gone = makeImage({ salt: 'gone' });
    await pushImage(registry.url, 'team/gone', 'x', gone);
    await cli.must('create', list, at('team/gone:x'));
    await fetch(`${registry.url}/v2/team/gone/blobs/${layerDigest(gone)}`, { method: 'DELETE' });
    const { code, stderr } = await cli.run(['push', '--retries', '0']);
    expect([code, stderr]).toEqual([4, expect.stringContaining(`team/gone@${layerDigest(gone)}`)]);
    expect(await served()).toBeUndefined();
  });
});

describe('targets', () => {
  test('--to replaces the name of the list', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const digest = await cli.must('push', '--to', at('team/to:x'), '--to', at('team/to2:y'));
    expect((await getManifest(registry.url, 'team/to', 'x'))?.digest).toBe(digest);
    expect((await getManifest(registry.url, 'team/to2', 'y'))?.digest).toBe(digest);
    expect(await served()).toBeUndefined();
  });

  test('-t :TAG with --to is a tag in each target, and duplicate targets are pushed once', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const [one, two] = [at('team/tagged:x'), at('team/tagged2:y')];
    const targets = ['--to', one, '--to', two, '--to', `docker://${one}`, '--to', 'oci:layout:v1'];
    const pushed = await cli.json<{ digest: string; targets: { ref: string }[] }>(
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
    expect(await cli.must('digest', 'oci:layout:more')).toBe(pushed.digest);
    expect(await getManifest(registry.url, 'team/app', 'more')).toBeUndefined();
  });

  test.each<[string, string[], number]>([
    ['that are moved', ['v1', 'v2', 'v3', 'v4'], 0],
    ['of which one is refused', ['v1', 'v3', 'v4'], 6],
  ])(
    'reports the tags %s in their order, even if the registry answers the first one last',
    async (_, expected, code) => {
      let stored = 0;
      let release: () => void = () => undefined;
      const othersStored = new Promise<void>((resolve) => (release = resolve));
      const slow = await startRegistry({
        intercept: async ({ method, url = '' }, response) => {
          const [, name] = /\/manifests\/(v\d)$/.exec(url) ?? [];
          if (method !== 'PUT' || name === undefined) return false;
          if (name === 'v1') await othersStored;
          if (name === 'v2' && code !== 0) response.writeHead(403).end();
          if (name !== 'v1') response.once('finish', () => (stored += 1) === 3 && release());
          return response.headersSent;
        },
      });
      try {
        await pushImage(slow.url, 'team/app', 'amd64', makeImage({ salt: 'tags' }));
        await cli.must('create', `${slow.host}/team/app:v1`, `${slow.host}/team/app:amd64`);
        const pushed = await cli.run(['push', '--retries', '0', '-t', ':v2', '-t', ':v3', '-t', ':v4']);
        expect(pushed.code).toBe(code);
        expect([...pushed.stderr.matchAll(/^pushed \S+:(v\d)/gm)].map(([, name]) => name)).toEqual(expected);
      } finally {
        await slow.close();
      }
    },
  );

  test('reports the failed target and the successful one', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const { code, stderr } = await cli.run(['push', '-t', 'localhost:1/x:y', '--retries', '0']);
    expect([code, stderr]).toEqual([7, expect.stringMatching(/pushed .*team\/app:list[^]*localhost:1/)]);
    expect(await served()).toBeDefined();
  });

  test('copies the children of another registry', async () => {
    const other = await startRegistry();
    try {
      await cli.must('create', `${other.host}/far/list:1`, at('team/app:amd64'), at('team/app:arm64'));
      const digest = await cli.must('push');
      expect((await getManifest(other.url, 'far/list', '1'))?.digest).toBe(digest);
      expect((await getManifest(other.url, 'far/list', arm64.digest))?.bytes).toEqual(arm64.bytes);
    } finally {
      await other.close();
    }
  });
});
