import { expect, test } from '@jest/globals';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { describeOnRegistries } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Lists of one run that share content write it to a repository once, even when they are applied concurrently. */

const architectures = ['amd64', 'arm64', 's390x'];

interface Report {
  readonly counts: { readonly pushed: number; readonly failed: number };
  readonly writes: number;
}

describeOnRegistries('apply: children that lists share', (start) => {
  async function setUp() {
    const registry = cleanup(await start());
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    for (const architecture of architectures) {
      const image = makeImage({ salt: architecture, platform: { architecture, os: 'linux' } });
      await pushImage(registry.url, 'team/app', architecture, image);
    }
    const cli = await CliHarness.make();
    const apply = async (text: string) => {
      const stdin = text.replaceAll('HOST', proxy.host);
      const result = await cli.run(['apply', '-f', '-', '--json'], { stdin });
      return { ...(JSON.parse(result.stdout) as Report), code: result.code };
    };
    return { proxy, apply };
  }

  /** More lists than are applied concurrently, so that some start after others have ended. */
  const lists = (repository: string, count: number): string =>
    Array.from({ length: count }, (_, at) => {
      const images = architectures.map((architecture) => `HOST/team/app:${architecture}`).join(', ');
      return `---\nlist: HOST/${repository}:${at}\nannotations: {n: "${at}"}\nmanifests: [${images}]\n`;
    }).join('');

  test('puts each child once, and mounts each of its blobs once', async () => {
    const { proxy, apply } = await setUp();
    // 3 children with 2 blobs each, and the tags.
    expect(await apply(lists('other/app', 12))).toMatchObject({ code: 0, counts: { pushed: 12 }, writes: 3 + 6 + 12 });
    expect(proxy.requestsMatching(/^PUT \/v2\/other\/app\/manifests\/sha256:/)).toHaveLength(3);
    expect(proxy.requestsMatching(/^POST \/v2\/other\/app\/blobs\/uploads\/\?mount=/)).toHaveLength(6);
    expect(proxy.requestsMatching(/^PUT \/v2\/other\/app\/manifests\/\d+$/)).toHaveLength(12);
  });

  test('writes shared children to each repository', async () => {
    const { proxy, apply } = await setUp();
    const report = await apply(lists('one/app', 3) + lists('two/app', 3));
    expect(report).toMatchObject({ code: 0, counts: { pushed: 6 } });
    for (const repository of ['one', 'two']) {
      expect(proxy.requestsMatching(new RegExp(`^PUT /v2/${repository}/app/manifests/sha256:`))).toHaveLength(3);
    }
  });

  test('puts a child again for the next list if one list could not put it', async () => {
    const { proxy, apply } = await setUp();
    proxy.on(/^PUT \/v2\/other\/app\/manifests\/sha256:/, answer(400), 1);
    const report = await apply(lists('other/app', 4));
    expect(report).toMatchObject({ code: 7, counts: { pushed: 3, failed: 1 } });
    // The failed list aborted its other requests at any stage, so the next list repeats them.
    const puts = proxy.requestsMatching(/^PUT \/v2\/other\/app\/manifests\/sha256:/);
    expect(new Set(puts.filter(({ status }) => status === 201).map(({ path }) => path)).size).toBe(3);
  });

  test('copies the children of a list once for several names', async () => {
    const { proxy, apply } = await setUp();
    await apply(lists('team/app', 1));
    const copies = [1, 2, 3].map((n) => `---\nlist: HOST/copied/app:${n}\ncopy: HOST/team/app:0\n`).join('');
    expect(await apply(copies)).toMatchObject({ code: 0, counts: { pushed: 3 } });
    expect(proxy.requestsMatching(/^PUT \/v2\/copied\/app\/manifests\/sha256:/)).toHaveLength(3);
    expect(proxy.requestsMatching(/^POST \/v2\/copied\/app\/blobs\/uploads\/\?mount=/)).toHaveLength(6);
  });
});
