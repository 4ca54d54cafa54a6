import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { scopesOf, TokenService } from '../support/token-service.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Deviations of registries that other clients tolerate. */
const platforms = ['amd64', 'arm64'].map((architecture) => ({ architecture, os: 'linux' }));
const images = platforms.map((platform) => makeImage({ kind: 'oci', platform }));
const list = makeIndex(images.map((image, at) => entryOf(image, platforms[at])));

let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;

beforeEach(async () => {
  registry = cleanup(await startRegistry());
  for (const [at, image] of images.entries())
    await pushImage(registry.url, 'team/app', platforms[at]?.architecture, image);
  await putManifest(registry.url, 'team/app', '1', list.mediaType, list.bytes);
  proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  cli = await CliHarness.make();
});

const at = (name: string) => `${proxy.host}/team/app${name}`;

describe('a pull-through cache that knows digests only after a pull by tag', () => {
  beforeEach(() => {
    const knownDigests = new Set<string>();
    proxy.on(/^(?:HEAD|GET) .*manifests\/sha256/, (exchange) =>
      knownDigests.size > 0 ? exchange.pass() : answer(404)(exchange),
    );
    proxy.on(/^GET .*manifests\/1$/, (exchange) => {
      knownDigests.add('1');
      return exchange.pass();
    });
  });

  test.each<[string, readonly string[]]>([
    ['inspect', ['inspect', 'LIST']],
    ['digest', ['digest', 'LIST']],
    ['exists', ['exists', 'LIST']],
    ['copy', ['copy', 'LIST', 'oci:copied:1']],
    ['create', ['create', 'HOST/team/new:1', 'LIST', '--push']],
    ['validate', ['validate', '--deep', 'LIST']],
  ])('%s with a tag and a digest works', async (_name, args) => {
    const shown = args.map((arg) => arg.replace('LIST', at(`:1@${list.digest}`)).replace('HOST', proxy.host));
    expect(await cli.run(shown)).toMatchObject({ code: 0 });
  });

  test.each([
    ['the tag has something else', () => at(`:1@sha256:${'0'.repeat(64)}`)],
    ['there is no such tag', () => at(`:2@${list.digest}`)],
    ['no tag is named', () => at(`@${list.digest}`)],
  ])('fails if %s', async (_name, reference) => {
    expect(await cli.run(['digest', reference()])).toMatchObject({ code: 4 });
  });
});

describe('a registry that compresses although the client requests identity', () => {
  const gzipped: Rule = async (exchange) => {
    const { path, headers } = exchange.seen;
    const response = await fetch(`${registry.url}${path}`, { headers: { accept: headers.accept ?? '' } });
    const body = gzipSync(await response.arrayBuffer());
    const more = { 'content-encoding': 'gzip', 'content-length': body.length };
    await answer(response.status, { ...Object.fromEntries(response.headers), ...more }, body)(exchange);
  };

  test('is read', async () => {
    await putManifest(registry.url, 'team/app', '2', list.mediaType, list.bytes);
    proxy.on(/^(?:HEAD|GET) /, gzipped);
    expect(await cli.must('digest', at(':1'))).toBe(list.digest);
    await cli.must('exists', at(':1'));
    expect(await cli.must('tags', at(''))).toBe('1\n2\namd64\narm64');
    expect(JSON.parse(await cli.must('inspect', at(':1'), '--raw'))).toEqual(JSON.parse(list.bytes.toString()));
    await cli.must('create', at(':new'), at(':amd64'), at(':arm64'), '--push');
    await cli.must('validate', '--deep', at(':1'));
    expect((await getManifest(registry.url, 'team/app', 'new'))?.digest).toBe(list.digest);
  });

  test.each([
    ['another encoding', 'br', list.bytes],
    ['something else than gzip', 'gzip', list.bytes],
    ['other content', 'gzip', gzipSync(Buffer.concat([list.bytes, list.bytes]))],
  ])('is refused with %s', async (_name, encoding, body) => {
    proxy.on(/^GET/, answer(200, { 'content-type': list.mediaType, 'content-encoding': encoding }, body));
    expect(await cli.run(['inspect', at(`@${list.digest}`)])).toMatchObject({ code: 7, stdout: '' });
  });
});

describe('a registry that loses the state of an upload', () => {
  const lost = answer(400, {}, JSON.stringify({ errors: [{ code: 'BLOB_UPLOAD_INVALID', message: 'stale' }] }));

  test('once per blob: the blob is uploaded again', async () => {
    const refused = new Set<number>();
    proxy.on(/^PUT .*uploads/, (exchange) => {
      const size = Number(exchange.seen.headers['content-length']);
      if (refused.has(size)) return exchange.pass();
      refused.add(size);
      return void lost(exchange);
    });
    proxy.on(/^POST .*mount=/, answer(405));
    expect(await cli.run(['copy', at(':1'), `${proxy.host}/team/third:1`, '--retries', '1'])).toMatchObject({
      code: 0,
    });
    expect(refused.size).toBeGreaterThan(1);
  });

  test('always: the command fails with its message', async () => {
    proxy.on(/^POST .*mount=/, answer(405));
    proxy.on(/^PUT .*uploads/, lost);
    expect(await cli.run(['copy', at(':amd64'), `${proxy.host}/team/other:1`])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('BLOB_UPLOAD_INVALID: stale') as unknown,
    });
    expect(proxy.requestsMatching(/^PUT .*uploads/).length).toBeLessThanOrEqual(6);
  });
});

describe.each([[',error="invalid_token"'], ['']])('a registry that refuses a new token, with %j', (error) => {
  let tokens: TokenService;
  let flags: readonly string[];
  let env: Readonly<Record<string, string>>;

  /** Refuses each request this many times, although its token is valid. */
  function refuse(times: number): void {
    const refused = new Map<string, number>();
    proxy.on(/ \/v2\//, (exchange) => {
      const { method, path, headers } = exchange.seen;
      const isGood = tokens.fault(headers.authorization, scopesOf(method, path)) === undefined;
      const request = `${method} ${path}`;
      const count = refused.get(request) ?? 0;
      if (isGood && count >= times) return exchange.pass();
      if (isGood) refused.set(request, count + 1);
      const challenge = `Bearer realm="${tokens.realm}",service="x"${headers.authorization === undefined ? '' : error}`;
      return answer(401, { 'www-authenticate': challenge })(exchange);
    });
  }

  beforeEach(async () => {
    tokens = cleanup(await TokenService.start({ users: { me: 'right' } }));
    flags = ['--auth-host', `${proxy.host}=${tokens.proxy.host}`];
    const auth = Buffer.from('me:right').toString('base64');
    env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [proxy.host]: { auth } } }) };
  });

  test('once: the request is repeated', async () => {
    refuse(1);
    expect(await cli.run(['copy', at(':1'), `${proxy.host}/team/other:1`, ...flags], { env })).toMatchObject({
      code: 0,
    });
  });

  test('always: the command fails', async () => {
    refuse(100);
    expect(await cli.run(['digest', at(':1'), ...flags], { env })).toMatchObject({ code: 6 });
    expect(proxy.requests.length).toBeLessThan(10);
  });
});

test('copies an index for one platform if its other children are missing', async () => {
  proxy.on(new RegExp(`manifests/${images[1]?.digest ?? ''}`), answer(404));
  await cli.must('copy', at(':1'), `${proxy.host}/team/other:1`, '--platform', 'linux/amd64');
  expect(await getManifest(registry.url, 'team/other', '1')).toBeDefined();
});

describe('the link to the next page of tags', () => {
  test.each<[string, (query: string) => string]>([
    ['with another path', (query) => `/repository/docker/v2/team/app/tags/list?${query}`],
    ['with another scheme', (query) => `https://${proxy.host}/v2/team/app/tags/list?${query}`],
    ['with another scheme and path', (query) => `https://${proxy.host}/x/v2/team/app/tags/list?${query}`],
    ['with a query alone', (query) => `?${query}`],
  ])('is followed %s', async (_name, link) => {
    proxy.on(/^GET .*tags\/list\?n=/, answer(200, { link: `<${link('last=b')}>; rel="next"` }, '{"tags":["a","b"]}'));
    proxy.on(/^GET \/v2\/team\/app\/tags\/list\?last=b$/, answer(200, {}, '{"tags":["c"]}'));
    expect(await cli.must('tags', at(''))).toBe('a\nb\nc');
  });
});
