import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { getManifest, makeImage, pushImage, type Image } from '../support/images.ts';
import {
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

/** `push` if the registry has lost content. */
servePushImages();

describe('content that the registry has lost', () => {
  test('a deleted child is sent again from the cache', async () => {
    const image = makeImage({ salt: `kept${count}` });
    await pushImage(registry.url, 'team/app', 'lost', image);
    await cli.must('create', list, at('team/app:lost'));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /team\/app no longer had a manifest of the list; mlist sent it again from the cache/,
      ) as unknown,
    ]);
    expect((await getManifest(registry.url, 'team/app', image.digest))?.bytes).toEqual(image.bytes);
    expect(await served()).toBeDefined();
  });

  async function lost(name: string, image: Image): Promise<void> {
    await pushImage(registry.url, 'team/app', name, image);
    await cli.must('add', at(`team/app:${name}`));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
  }

  async function removeFromCache(image: Image): Promise<void> {
    await rm(join(cli.workspace, 'blobs', 'sha256', image.digest.slice('sha256:'.length)));
  }

  const many = (name: string) =>
    ['amd64', 'arm64', 's390x'].map((architecture) =>
      makeImage({ salt: `${name}${count}`, platform: { architecture, os: 'linux' } }),
    );

  test('all missing children that are not in the cache are named, and nothing is reported as sent', async () => {
    const [one, two, cached] = many('several') as [Image, Image, Image];
    await cli.must('create', list);
    await lost('one', one);
    await lost('two', two);
    await lost('kept', cached);
    for (const image of [one, two]) await removeFromCache(image);
    for (const flags of [[], ['--force'], ['--dry-run']]) {
      const { code, stdout, stderr } = await cli.run(['push', ...flags]);
      expect([code, stdout]).toEqual([4, '']);
      const named = stderr.split('\n').filter((line) => line.includes('no longer exists in its repository'));
      expect(named.map((line) => /team\/app:(\w+)/.exec(line)?.[1])).toEqual(['one', 'two']);
      expect(stderr).not.toContain('sent again');
    }
    expect(await served()).toBeUndefined();
  });

  test('--dry-run checks the children in the same repository, and plans to send cached ones', async () => {
    const [image, there] = many('dry') as [Image, Image, Image];
    await pushImage(registry.url, 'team/app', 'there', there);
    await cli.must('create', list, at('team/app:there'));
    await lost('dry', image);
    requests.length = 0;
    const { targets } = await cli.json<{ targets: { plan: { manifests: { digest: string }[] } }[] }>(
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

  test('a child with a cached manifest is missing if its layers are missing too', async () => {
    const image = makeImage({ salt: `hollow${count}` });
    await cli.must('create', list);
    await lost('hollow', image);
    await fetch(`${registry.url}/v2/team/app/blobs/${layerDigest(image)}`, { method: 'DELETE' });
    const { code, stderr } = await cli.run(['push', '--retries', '0']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/team\/app:hollow .* no longer exists in its repository: /),
    ]);
    expect(stderr).not.toContain('sent again');
    expect(await served()).toBeUndefined();
  });

  test('missing children of another repository are all named', async () => {
    const [one, two] = many('elsewhere') as [Image, Image, Image];
    const digests = [one, two].map((image) => image.digest);
    for (const [index, image] of [one, two].entries()) await pushImage(registry.url, 'team/far', `x${index}`, image);
    await cli.must('create', list, at('team/far:x0'), at('team/far:x1'));
    for (const digest of digests) await fetch(`${registry.url}/v2/team/far/manifests/${digest}`, { method: 'DELETE' });
    await rm(join(cli.workspace, 'blobs'), { recursive: true });
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/team\/far:x0 .* no longer exists[^]*team\/far:x1 .* no longer exists/),
    ]);
  });

  test('a child that is not in the cache: an error, and no list', async () => {
    const image = makeImage({ salt: `unkept${count}` });
    await pushImage(registry.url, 'team/app', 'unkept', image);
    await cli.must('create', list, at('team/app:unkept'));
    await fetch(`${registry.url}/v2/team/app/manifests/${image.digest}`, { method: 'DELETE' });
    await rm(join(cli.workspace, 'blobs'), { recursive: true });
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/team\/app:unkept .* no longer exists in its repository/),
    ]);
    expect(await served()).toBeUndefined();
  });
});
