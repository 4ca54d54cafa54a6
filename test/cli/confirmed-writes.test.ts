import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { getManifest, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { runMlist } from '../support/mlist.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** A login page or a proxy may answer a write instead of the registry. Only status 201, or a read, confirms the write. */
const images = ['amd64', 'arm64'].map((architecture) =>
  makeImage({ salt: 'confirmed', platform: { architecture, os: 'linux' } }),
);
const page = answer(200, { 'content-type': 'text/html' }, '<html>Please log in</html>');
const older = makeIndex([], { annotations: { note: 'older' } });

let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
let count = 0;
/** The repository of the test, which has the images and no list. */
let repository: string;
let list: string;

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  cli = await CliHarness.make();
  proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  repository = `team/app${(count += 1)}`;
  list = `${proxy.host}/${repository}:v1`;
  for (const [at, image] of images.entries()) await pushImage(registry.url, repository, `image${at}`, image);
  await cli.must('create', list, `${proxy.host}/${repository}:image0`, `${proxy.host}/${repository}:image1`);
  proxy.clear();
});

const expectRefused = (result: { code: number | null; stdout: string; stderr: string }, message: RegExp) =>
  expect(result).toMatchObject({ code: 7, stdout: '', stderr: expect.stringMatching(message) as unknown });

describe('a PUT of a tag', () => {
  test.each([200, 202, 204])('answered by %d, and the tag is not there: refused', async (status) => {
    proxy.on(/^PUT .*manifests\/v1/, answer(status, { 'content-type': 'text/html' }, status === 204 ? '' : '<html>'));
    expectRefused(
      await cli.run(['push']),
      new RegExp(
        `cannot write ${list}: .* responded with HTTP ${status} instead of 201, and does not have it\nhint: .*login page`,
      ),
    );
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test('answered by a proxy: the built program fails too', async () => {
    proxy.on(/^PUT .*manifests\/v1/, page);
    const result = await runMlist(['push', list], { HOME: cli.folder, MLIST_WORKSPACE: cli.workspace });
    expectRefused(result, /responded with HTTP 200 instead of 201, and does not have it/);
  });

  test('answered by a proxy while the tag has another list: the error names that list', async () => {
    await putManifest(registry.url, repository, 'v1', older.mediaType, older.bytes);
    proxy.on(/^PUT .*manifests\/v1/, page);
    expectRefused(await cli.run(['push']), new RegExp(`HTTP 200 instead of 201, and has ${older.digest}`));
  });

  test.each<[string, () => void]>([
    ['HEAD states the digest', () => undefined],
    ['HEAD states no digest', () => hideDigest()],
    ['HEAD is refused', () => proxy.on(/^HEAD/, answer(405))],
  ])('that reached the registry succeeds, whatever its answer: %s', async (_name, restrict) => {
    proxy.on(/^PUT .*manifests\/v1/, ({ pass }) => pass({ status: 200 }));
    restrict();
    const digest = await cli.must('push');
    expect((await getManifest(registry.url, repository, 'v1'))?.digest).toBe(digest);
  });

  test('that a read does not show yet is read again', async () => {
    proxy.on(/^PUT .*manifests\/v1/, ({ pass }) => pass({ status: 202 }));
    proxy.on(/^HEAD .*manifests\/v1/, answer(404), 1);
    await cli.must('push');
  });

  test.each<[string, () => void, RegExp]>([
    ['may not be read', () => proxy.on(/^(?:GET|HEAD) .*manifests\/v1/, answer(403)), /back failed: .*HTTP 403/],
    ['is an HTML page', () => proxy.on(/^(?:GET|HEAD) .*manifests\/v1/, page), /and has sha256:\w+ \(text\/html\)/],
  ])('that cannot be confirmed fails: the tag %s', async (_name, restrict, message) => {
    proxy.on(/^PUT .*manifests\/v1/, ({ pass }) => pass({ status: 200 }));
    restrict();
    expectRefused(await cli.run(['push', '--force']), message);
  });

  test('answered by 201 is not read back', async () => {
    await cli.must('push', '--force');
    expect(proxy.requestsMatching(/manifests\/v1/).map(({ method }) => method)).toEqual(['HEAD', 'PUT']);
  });
});

/** A registry whose answers to HEAD lack the digest and the type. */
function hideDigest(): void {
  proxy.on(/^HEAD/, ({ response, pass }) => {
    const writeHead = response.writeHead.bind(response) as (status: number, headers: object) => typeof response;
    response.writeHead = ((status: number, headers: object) =>
      writeHead(status, { ...headers, 'docker-content-digest': [] })) as typeof response.writeHead;
    return pass();
  });
}

describe('a copy to another repository', () => {
  test.each<[string, RegExp, number]>([
    ['a child', /^PUT .*manifests\/sha256/, 200],
    ['a blob', /^PUT .*uploads/, 200],
    ['a blob', /^PUT .*uploads/, 202],
    ['a blob', /^PUT .*uploads/, 204],
  ])('fails if a proxy answers the write of %s (%s, %d)', async (_name, request, status) => {
    const source = cleanup(await startRegistry());
    await pushImage(source.url, 'app', 'v1', images[0]!);
    proxy.on(request, answer(status));
    const target = `${proxy.host}/team/copy${count}:v1`;
    const list = makeIndex([
      { mediaType: images[0]!.mediaType, digest: images[0]!.digest, size: images[0]!.bytes.length },
    ]);
    await putManifest(source.url, 'app', 'list', list.mediaType, list.bytes);
    const result = await cli.run(['copy', `${source.host}/app:list`, target, '--retries', '0']);
    expectRefused(result, new RegExp(`responded with HTTP ${status} instead of 201, and does not have it`));
    expect(await getManifest(registry.url, `team/copy${count}`, 'v1')).toBeUndefined();
  });

  test.each([200, 202, 204])('counts a blob that exists after its PUT was answered with %d', async (status) => {
    const source = cleanup(await startRegistry());
    await pushImage(source.url, 'app', 'v1', images[0]!);
    proxy.on(/^PUT .*uploads/, ({ pass }) => pass({ status }));
    await cli.must('copy', `${source.host}/app:v1`, `${proxy.host}/team/copy${count}:v1`);
    expect(proxy.requestsMatching(/^PUT .*uploads/)).toHaveLength(images[0]!.blobs.length);
  });

  test.each([200, 204])(
    'uploads what a mount answered by %d has not brought, and believes one that has',
    async (status) => {
      proxy.on(/^POST .*mount=/, answer(status), 1);
      await cli.must('copy', `${proxy.host}/${repository}:image0`, `${proxy.host}/team/mounted${count}:v1`);
      expect(proxy.requestsMatching(/^PUT .*uploads/)).toHaveLength(1);
      proxy.clear();
      proxy.on(/^POST .*mount=/, ({ pass }) => pass({ status }));
      await cli.must('copy', `${proxy.host}/${repository}:image1`, `${proxy.host}/team/mounted${count}:v2`);
      expect(proxy.requestsMatching(/^PUT .*uploads/)).toEqual([]);
    },
  );
});

test('a login page that answers every request never results in success', async () => {
  const source = cleanup(await startRegistry());
  await pushImage(source.url, 'app', 'v1', images[0]!);
  const wall = cleanup(await RecordingProxy.start());
  wall.on(/^/, page);
  const copied = await cli.run(['copy', `${source.host}/app:v1`, `${wall.host}/app:v1`]);
  expect([copied.code, copied.stdout]).toEqual([7, '']);
  for (const name of [':v1', `@${images[0]!.digest}`]) {
    expect((await cli.run(['exists', `${wall.host}/app${name}`])).code).not.toBe(0);
  }
  expect(await cli.run(['delete', `${wall.host}/app:v1`])).toMatchObject({ code: 7, stdout: '' });
});

test('join fails if a proxy answers its writes', async () => {
  proxy.on(/^PUT .*manifests\/joined$/, page);
  const joined = `${proxy.host}/${repository}:joined`;
  expectRefused(
    await cli.run(['join', joined, `${proxy.host}/${repository}:image0`]),
    /responded with HTTP 200 instead of 201, and does not have it/,
  );
});
