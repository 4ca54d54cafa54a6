import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushBlob, pushImage, sha256 } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { describeOnRegistries } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Images of another registry, from which nothing can be mounted: their blobs are copied once. */

describeOnRegistries('a list of images in another registry', (start) => {
  async function setUp() {
    const origin = cleanup(await startRegistry());
    const registry = cleanup(await start());
    const from = cleanup(await RecordingProxy.start({ upstream: origin.url }));
    const to = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    for (const architecture of ['amd64', 's390x']) {
      await pushImage(
        origin.url,
        'a',
        architecture,
        makeImage({ salt: architecture, platform: { architecture, os: 'linux' } }),
      );
    }
    const cli = await CliHarness.make();
    const create = (tag: string, ...architectures: readonly string[]) =>
      cli.must('create', `${to.host}/b:${tag}`, ...architectures.map((one) => `${from.host}/a:${one}`));
    const push = async (...args: readonly string[]) => {
      from.clear();
      to.clear();
      await cli.must('push', ...args);
      return { read: from.requestsMatching(/\/blobs\//).length, uploaded: to.requestsMatching(/^POST /).length };
    };
    return { create, push, cli, origin, from, to };
  }

  test('content of the target is neither read nor sent', async () => {
    const { create, push, to } = await setUp();
    await create('one', 'amd64');
    expect(await push()).toEqual({ read: 2, uploaded: 2 });
    await create('two', 'amd64', 's390x');
    expect(await push()).toEqual({ read: 2, uploaded: 2 });
    await create('three', 's390x', 'amd64');
    expect(await push()).toEqual({ read: 0, uploaded: 0 });
    expect(to.requests.map(({ method }) => method).sort()).toEqual(['HEAD', 'HEAD', 'HEAD', 'PUT']);
  });

  test.each(['push', 'copy'])('%s: a large layer that the target has is not sent with another image', async (way) => {
    const { create, push, cli, from, to, origin } = await setUp();
    const layer = randomBytes(2 * 1024 * 1024);
    await pushBlob(origin.url, 'a', layer);
    const mediaType = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
    const layers = [{ mediaType, size: layer.length, digest: sha256(layer) }];
    for (const salt of ['1', '2']) await pushImage(origin.url, 'a', salt, makeImage({ salt, manifest: { layers } }));
    await create('one', '1');
    expect(await push()).toEqual({ read: 2, uploaded: 2 });
    from.clear();
    if (way === 'push') await create('two', '2').then(() => push());
    else await cli.must('copy', `${from.host}/a:2`, `${to.host}/b:two`);
    const reads = from.requestsMatching(/ \/v2\/a\/blobs\//).map(({ path }) => path);
    expect(reads).toHaveLength(1);
    expect(reads.filter((path) => path.endsWith(sha256(layer)))).toEqual([]);
    await cli.must('validate', '--deep', `docker://${to.host}/b:two`);
  });

  test('--force sends it anyway', async () => {
    const { create, push } = await setUp();
    await create('one', 'amd64');
    await push();
    await create('two', 'amd64');
    expect(await push('--force')).toEqual({ read: 2, uploaded: 2 });
  });

  test('the hint for an edit of a missing tag says how to create it', async () => {
    const { cli, to } = await setUp();
    const result = await cli.run(['add', `docker://${to.host}/b:none`, `${to.host}/b:x`, '--push']);
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('"mlist join" also works') as unknown });
  });
});

/** The list from which a draft was created is a condition for that tag only, not for additional tags. */
describeOnRegistries('an edit of a published list under further names', (start) => {
  test('an additional tag may be new, or have another list', async () => {
    const registry = cleanup(await start());
    const image = (architecture: string) => makeImage({ salt: architecture, platform: { architecture, os: 'linux' } });
    for (const architecture of ['amd64', 's390x']) {
      await pushImage(registry.url, 'app', architecture, image(architecture));
    }
    const cli = await CliHarness.make();
    const name = (tag: string) => `${registry.host}/app:${tag}`;
    await cli.must('create', name('1.0'), name('amd64'), '--push');
    await cli.must('create', name('other'), name('s390x'), '--push');
    await cli.must('rm', name('1.0'), name('other'));
    const further = ['-t', ':new', '-t', ':other'];
    const added = await cli.must('add', name('1.0'), name('s390x'), '--push', ...further);
    for (const tag of ['1.0', 'new', 'other']) expect(await cli.must('digest', name(tag))).toBe(added);
    await cli.must('create', name('1.0'), `docker://${name('1.0')}`);
    await cli.must('annotate', '--platform', 'linux/s390x', '--annotation', 'a=b');
    const pushed = await cli.must('push', '-t', ':newer', '-t', ':new');
    for (const tag of ['1.0', 'newer', 'new']) expect(await cli.must('digest', `docker://${name(tag)}`)).toBe(pushed);
  });
});
