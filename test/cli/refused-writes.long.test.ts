import { beforeEach, describe, expect, test } from '@jest/globals';
import { answer, type Rule } from '../support/recording-proxy.ts';
import { makeImage, pushImage, sha256 } from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import {
  from,
  proxy,
  nextRepository,
  registry,
  repository,
  serveTarget,
  source,
  tagOf,
  to,
  cli,
} from '../support/relay-fixture.ts';

/** Registries that refuse a write because the tag already has the content, or because referenced content is missing. */
const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
const { images, list } = serveTarget('refused', platforms);

const refuse = (status: number, code: string, message: string, detail?: unknown): Rule =>
  answer(status, { 'content-type': 'application/json' }, JSON.stringify({ errors: [{ code, message, detail }] }));
const uploads = (): readonly string[] =>
  proxy.requestsMatching(/^PUT .*\/uploads\//).map(({ path }) => /digest=([^&]+)/.exec(path)?.[1] ?? '');

/** From now on writes of existing tags are refused, whatever their content. */
function makeImmutable(rule: Rule): void {
  proxy.on(/^PUT .*\/manifests\/(?!sha256:)/, async (exchange) => {
    const tag = exchange.seen.path.slice(exchange.seen.path.lastIndexOf('/') + 1);
    return (await tagOf(tag)) === undefined ? exchange.pass() : rule(exchange);
  });
}

const immutable: readonly (readonly [string, number, string])[] = [
  ['ECR', 400, 'TAG_INVALID'],
  ['a proxy', 403, 'DENIED'],
  ['ACR', 405, 'UNSUPPORTED'],
  ['Quay', 409, 'TAG_ALREADY_EXISTS'],
  ['Harbor', 412, 'PRECONDITION'],
];

describe.each(casesOf(immutable, 3, 1))('a tag that is immutable at %s (%i %s)', (_, status, code) => {
  beforeEach(() => makeImmutable(refuse(status, code, 'the tag is immutable')));

  test('counts as pushed if it has the list', async () => {
    for (const args of [
      ['copy', from('1.0'), to('1.0')],
      ['copy', from('1.0'), to('1.0'), '--force'],
      ['copy', to('1.0'), to('1.0'), '--force'],
      ['create', to('1.0'), to('1.0'), '--push'],
      ['push', '--force'],
    ])
      expect([args[0], await cli.run(args)]).toMatchObject([args[0], { code: 0 }]);
    expect(await tagOf('1.0')).toBe(list.digest);
  });

  test("fails with the registry's message if it has another list", async () => {
    await cli.must('copy', from('image0'), to('1.0'));
    for (const args of [
      ['copy', from('1.0'), to('1.0'), '--replace-image'],
      ['create', to('1.0'), from('1.0'), '--push', '--replace-image'],
      ['join', to('1.0'), from('1.0'), '--replace-image'],
    ]) {
      const { code: exit, stderr } = await cli.run(args);
      expect([args[0], exit, stderr]).toEqual([
        args[0],
        status === 403 ? 6 : 7,
        expect.stringContaining('the tag is immutable'),
      ]);
      expect(stderr).not.toMatch(/has changed/);
    }
  });
});

describe('a refusal because of missing content', () => {
  test.each([
    [400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', true],
    [400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', false],
    [404, 'BLOB_UNKNOWN', 'blob unknown to registry', true],
    [403, 'MANIFEST_INVALID', 'a child manifest is missing', true],
  ])('%i %s never counts as success, even if the tag has the list', async (status, code, message, isNamed) => {
    await cli.must('copy', from('1.0'), to('1.0'));
    proxy.on(/^PUT .*\/1.0$/, refuse(status, code, message, isNamed ? images[0]?.digest : undefined));
    const within = await cli.run(['copy', to('1.0'), to('1.0'), '--force']);
    expect([within.code, within.stderr]).toEqual([expect.any(Number), expect.stringContaining(message)]);
    expect(within.code).toBeGreaterThan(0);
    if (isNamed && code !== 'MANIFEST_INVALID') expect(within.stderr).toContain(images[0]?.digest);
    expect((await cli.run(['copy', from('1.0'), to('1.0'), '--force'])).code).toBeGreaterThan(0);
    expect((await cli.run(['create', to('1.0'), to('1.0'), '--push'])).code).toBe(0);
    expect((await cli.run(['push', '--force'])).code).toBeGreaterThan(0);
  });

  test.each([
    ['a layer that it names', () => sha256(images[0]!.blobs[1]!)],
    ['a layer that it does not name', () => undefined],
  ])('of an empty target, because of missing %s: nothing is sent twice', async (_, detail) => {
    proxy.on(
      new RegExp(`^PUT .*${images[0]!.digest}`),
      refuse(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { digest: detail() }),
    );
    for (const args of [
      ['copy', from('1.0'), to('1.0')],
      ['create', to('2.0'), from('1.0'), '--push'],
      ['join', to('3.0'), from('1.0')],
    ]) {
      proxy.clear();
      const target = args.map((word) => word.replace(/team\/target\d+/, nextRepository()));
      const { code, stderr } = await cli.run(target);
      expect([code, stderr]).toEqual([7, expect.not.stringMatching(/lost/)]);
      if (detail() !== undefined) expect(stderr).toContain(`${detail()}`);
      expect(uploads()).toHaveLength(new Set(uploads()).size);
    }
  });

  test('of an image of the previous list: the image is sent again', async () => {
    await cli.must('create', to('1.0'), from('image0'), from('image1'), '--push');
    await cli.must('annotate', to('1.0'), from('image0'), '--os-version', '1');
    proxy.on(
      /^PUT .*\/1.0$/,
      refuse(404, 'MANIFEST_UNKNOWN', 'manifest unknown to registry', { digest: images[0]?.digest }),
      1,
    );
    proxy.clear();
    await cli.must('push');
    expect(proxy.requestsMatching(new RegExp(`^PUT .*${images[0]?.digest}`))).toHaveLength(1);
    expect(proxy.requestsMatching(/^PUT .*\/1.0$/)).toHaveLength(2);
  });

  test('of a non-distributable layer: the error names the layer and its location', async () => {
    const layer = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: `sha256:${'1'.repeat(64)}`,
      size: 10,
      urls: ['https://mcr.example/v2/windows/blobs/base'],
    };
    const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' };
    const windows = makeImage({ salt: 'windows', kind: 'oci', platform, manifest: { layers: [layer] } });
    await pushImage(source.url, 'team/app', 'windows', windows);
    proxy.on(
      new RegExp(`^PUT .*${windows.digest}`),
      refuse(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', layer.digest),
    );
    const { code, stderr } = await cli.run(['create', to('1.0'), from('1.0'), from('windows'), '--push']);
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(/foreign layer sha256:1+ .*https:\/\/mcr\.example\/.*\nhint: Leave this image out/),
    ]);
    expect(stderr).not.toMatch(/lost/);
  });

  test('that the target reported as existing: only that content is sent again', async () => {
    const [known, other] = images as [(typeof images)[0], (typeof images)[0]];
    await pushImage(registry.url, repository, undefined, known);
    await fetch(`${registry.url}/v2/${repository}/manifests/${known.digest}`, { method: 'DELETE' });
    const headers = { 'content-type': known.mediaType, 'docker-content-digest': known.digest };
    proxy.on(new RegExp(`^HEAD .*${known.digest}`), answer(200, headers));
    const { code, stderr } = await cli.run(['copy', from('1.0'), to('1.0')]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/has lost content/)]);
    const put = (digest: string) =>
      proxy.requestsMatching(new RegExp(`^PUT .*/manifests/${digest}`)).map(({ status }) => status);
    expect([put(other.digest), put(known.digest), put('1.0')]).toEqual([[201], [201], [400, 201]]);
    expect(uploads()).toHaveLength(new Set(uploads()).size);
  });
});

test("a 412 although the condition holds is reported with the registry's message", async () => {
  await cli.must('copy', from('image0'), to('1.0'));
  await cli.must('create', to('1.0'), from('image0'), from('image1'));
  makeImmutable(refuse(412, 'PRECONDITION', 'the tag is immutable'));
  const { code, stderr } = await cli.run(['push', '--if-digest', images[0]!.digest]);
  expect([code, stderr]).toEqual([7, expect.stringMatching(/HTTP 412, PRECONDITION: the tag is immutable/)]);
  expect(proxy.requestsMatching(/^PUT .*\/1.0$/).map((put) => put.status)).toEqual([201, 412]);
});

test.each([403, 409, 412])('a %i to a write that has happened is success, also in a join', async (status) => {
  proxy.on(/^PUT .*\/manifests\/(?!sha256:|mlist-)/, ({ pass }) => pass({ status }));
  for (const args of [
    ['copy', from('1.0'), to('copied')],
    ['join', to('joined'), from('1.0'), '--group', '1', '--expect', 'linux/amd64,linux/arm64'],
  ])
    expect([args[0], await cli.run(args)]).toMatchObject([args[0], { code: 0 }]);
});

test.each([400, 409])('a %i to a manifest that is there already by its digest is success', async (status) => {
  await pushImage(registry.url, repository, undefined, images[0]!);
  proxy.on(new RegExp(`^PUT .*${images[0]!.digest}`), refuse(status, 'DENIED', 'it exists already'));
  await cli.must('copy', from('1.0'), to('1.0'), '--force');
  expect(await tagOf('1.0')).toBe(list.digest);
});
