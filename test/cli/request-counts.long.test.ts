import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { describeOnFirstRegistry, type Registry } from '../support/registries.ts';
import { guard, TokenService } from '../support/token-service.ts';
import { RequestWaves } from '../support/request-waves.ts';
import { imagesBeside, imagesElsewhere, longList, sharedList } from '../support/request-count-images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/**
 * The number of requests of each command, and of waves: requests of a wave run concurrently, and the next wave needs their
 * answers. The numbers are those of `docs/benchmarks.md`. The concurrency is high enough for all requests of a wave.
 */

describeOnFirstRegistry('requests', (start) => {
  let registry: Registry;
  let elsewhere: readonly string[];
  let tests = 0;
  beforeAll(async () => {
    registry = await start();
    elsewhere = await imagesElsewhere(registry.url, 12);
  });
  afterAll(() => registry.close());

  /** A repository that no other test writes to, and a new workspace. */
  async function setUp() {
    const waves = cleanup(new RequestWaves());
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url, waves }));
    const cli = await CliHarness.make();
    tests += 1;
    const repository = `team/app${tests}`;
    const at = (name: string) => `${proxy.host}/${name}`;
    const cost = async (...args: readonly string[]) => {
      proxy.clear();
      waves.reset();
      await cli.must(...args, '--concurrency', '200');
      return { requests: proxy.requests.length, depth: waves.number };
    };
    return { waves, proxy, cli, at, cost, repository, list: at(`${repository}:v1`), images: elsewhere.map(at) };
  }

  test('12 images in other repositories: create sends 24 requests in 2 waves, push 86 in 4, a repeated push 1', async () => {
    const { proxy, cost, list, images } = await setUp();
    expect(await cost('create', list, ...images)).toEqual({ requests: 24, depth: 2 });
    expect(await cost('push')).toEqual({ requests: 86, depth: 4 });
    expect(proxy.requestsMatching(/ \/v2\/$/)).toEqual([]);
    expect(proxy.requests.filter(({ status }) => status >= 400 && status !== 404)).toEqual([]);
    expect(await cost('push')).toEqual({ requests: 1, depth: 1 });
  });

  test('a push after an edit, 12 images in other repositories: 2 requests, and a dry run plans the same', async () => {
    const { cost, cli, list, images } = await setUp();
    await cli.must('create', list, ...images, '--push');
    await cli.must('annotate', list, images[0] ?? '', '--variant', 'v2');
    const plan = await cli.must('push', '--dry-run', '--json');
    expect(JSON.parse(plan)).toMatchObject({ targets: [{ plan: { blobs: [], manifests: [] } }] });
    expect(await cost('push')).toEqual({ requests: 2, depth: 2 });
  });

  test('a push after an edit, an hour after the last push: each image is checked, and sent if it is missing', async () => {
    const { proxy, cli, cost, list, images } = await setUp();
    await cli.must('create', list, ...images, '--push');
    const blobs = join(cli.workspace, 'blobs', 'sha256');
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const name of await readdir(blobs)) await utimes(join(blobs, name), hourAgo, hourAgo);
    await cli.must('annotate', list, images[0] ?? '', '--variant', 'v2');
    proxy.on(/^HEAD .*manifests\/sha256/, ({ response }) => void response.writeHead(404).end(), 1);
    // The tag, 12 images, 6 mounts and one manifest, the list.
    expect(await cost('push')).toMatchObject({ requests: 1 + 12 + 7 + 1 });
  });

  test('create --push: 110 requests in 5 waves, since the tag is read together with the sources, and one token for both', async () => {
    const { waves, proxy, at, cost, repository, list, images } = await setUp();
    const all = ['--push', ...images];
    expect(await cost('create', list, ...all)).toEqual({ requests: 110, depth: 5 });
    const tokens = cleanup(await TokenService.start({ waves, grant: (scopes) => scopes }));
    guard(proxy, tokens);
    // Two waves more, and one less, because the configs have been read before.
    expect(await cost('create', at(`${repository}/other:v1`), ...all)).toMatchObject({ depth: 6 });
    expect(tokens.requests).toHaveLength(1);
  });

  test('with tokens: one token for each command, and two more responses', async () => {
    const { waves, proxy, cost, list, images } = await setUp();
    const tokens = cleanup(await TokenService.start({ waves, grant: (scopes) => scopes }));
    guard(proxy, tokens);
    expect(await cost('create', list, ...images)).toMatchObject({ depth: 4 });
    expect(await cost('push')).toMatchObject({ depth: 6 });
    expect(tokens.requests).toHaveLength(2);
    expect(await cost('push')).toEqual({ requests: 2, depth: 3 });
  });

  test('create and push from 4 tags of the same repository: 10 requests in 4 waves, since only the list is sent', async () => {
    const { at, cost, repository, list } = await setUp();
    const images = await imagesBeside(registry.url, repository, 4);
    expect(await cost('create', list, ...images.map(at))).toEqual({ requests: 8, depth: 2 });
    expect(await cost('push')).toEqual({ requests: 2, depth: 2 });
  });

  test('add to a list of 40 entries: 5 requests, and the tag is read again before it moves', async () => {
    const { proxy, at, cost, repository, list } = await setUp();
    await longList(registry.url, repository, 'v1', 40);
    expect(await cost('create', list, `docker://${list}`)).toEqual({ requests: 1, depth: 1 });
    expect(await cost('add', at(`${repository}:next`))).toEqual({ requests: 2, depth: 2 });
    expect(await cost('push')).toEqual({ requests: 2, depth: 2 });
    expect(proxy.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `HEAD /v2/${repository}/manifests/v1`,
      `PUT /v2/${repository}/manifests/v1`,
    ]);
  });

  test('a copy of 6 manifests and 11 blobs to another repository: 24 requests in 6 waves, and 2 when repeated', async () => {
    const { at, cost, repository, list } = await setUp();
    await sharedList(registry.url, repository, 'v1');
    expect(await cost('copy', list, at(`${repository}/copy:v1`))).toEqual({ requests: 24, depth: 6 });
    expect(await cost('copy', list, at(`${repository}/copy:v1`))).toEqual({ requests: 2, depth: 2 });
  });

  test('another tag for a list in its repository: 3 requests in 2 waves', async () => {
    const { at, cost, repository, list } = await setUp();
    await sharedList(registry.url, repository, 'v1');
    expect(await cost('copy', list, at(`${repository}:v2`))).toEqual({ requests: 3, depth: 2 });
  });

  test('a tag that had another list: its content is read during the upload, in 1 more request and no more waves', async () => {
    const { cost, repository, list, images } = await setUp();
    await longList(registry.url, repository, 'v1', 3);
    expect(await cost('create', list, ...images)).toEqual({ requests: 24, depth: 2 });
    expect(await cost('push')).toEqual({ requests: 87, depth: 4 });
  });

  test('a tag that had a single image: its manifest and config are read during the upload, in 2 more requests and no more waves', async () => {
    const { cost, repository, list, images } = await setUp();
    await pushImage(registry.url, repository, 'v1', makeImage({ salt: 'single', kind: 'oci' }));
    expect(await cost('create', list, ...images)).toEqual({ requests: 24, depth: 2 });
    expect(await cost('push')).toEqual({ requests: 88, depth: 4 });
  });

  test('a dry run states the number of requests that the push sends', async () => {
    const { proxy, cli, at, cost, repository, list, images } = await setUp();
    const estimated = async (...args: readonly string[]) => {
      const { targets } = await cli.json<Planned>('push', ...args, '--dry-run');
      return targets[0]?.plan?.requests;
    };
    const compare = async (...args: readonly string[]) => {
      const requests = await estimated(...args);
      const { requests: count } = await cost('push', ...args);
      expect(requests).toEqual([{ registry: proxy.host, count }]);
      return count;
    };
    await cli.must('create', list, ...images);
    expect(await compare()).toBe(86);
    await cli.must('annotate', list, images[0] ?? '', '--variant', 'v2');
    expect(await compare('-t', ':v2', '-t', ':v3')).toBe(6);
    const beside = await imagesBeside(registry.url, repository, 4);
    await cli.must('create', at(`${repository}:beside`), ...beside.map(at));
    expect(await compare()).toBe(2);
    await longList(registry.url, repository, 'long', 3);
    await cli.must('create', at(`${repository}:long`), ...images);
    expect(await compare()).toBeGreaterThan(1);
    expect(await estimated()).toBeUndefined();
    const elsewhere = cleanup(await startRegistry());
    await pushImage(elsewhere.url, 'far/app', 'x', makeImage({ salt: 'far', layers: 2, noise: 2 * 1024 ** 2 }));
    await cli.must('create', at(`${repository}/far:v1`), `${elsewhere.host}/far/app:x`);
    const requests = await estimated();
    const { requests: count } = await cost('push');
    expect(requests).toEqual([
      { registry: proxy.host, count },
      { registry: elsewhere.host, count: 4 },
    ]);
  });
});

interface Planned {
  readonly targets: readonly {
    readonly plan?: { readonly requests: readonly { readonly registry: string; readonly count: number }[] };
  }[];
}
