import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, reset, type Rule } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** How registries and the proxies in front of them answer uploads. */
const MIB = 1024 * 1024;
const image = makeImage({ platform: { architecture: 'amd64', os: 'linux' }, noise: 5 * MIB });

let source: RunningRegistry;
let target: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;

beforeAll(async () => {
  source = await startRegistry();
  await pushImage(source.url, 'team/app', '1', image);
});
afterAll(() => source.close());
beforeEach(async () => {
  target = cleanup(await startRegistry());
  proxy = cleanup(await RecordingProxy.start({ upstream: target.url }));
  cli = await CliHarness.make();
});

async function copied(...flags: readonly string[]): Promise<CliResult> {
  return cli.run(['copy', `${source.host}/team/app:1`, `${proxy.host}/team/app:1`, ...flags]);
}

const sizesOf = (method: RegExp) =>
  proxy.requestsMatching(method).map(({ headers }) => Number(headers['content-length']));

describe('an upload goes to the location that the registry gives', () => {
  test.each<[string, (location: string) => string, RegExp]>([
    ['with a query', (location) => `${location}?state=a%2Fb`, /\?state=a%2Fb&digest=/],
    ['with an empty query', (location) => `${location}?`, /[^?]\?digest=/],
    ['with an open query', (location) => `${location}?a=b&`, /\?a=b&digest=/],
    ['with a fragment', (location) => `${location}#x`, /[^?]\?digest=/],
    ['with a query and a fragment', (location) => `${location}?a=b#x?y`, /\?a=b&digest=[^#]*$/],
    ['with an absolute address', (location) => `${proxy.url}${location}`, /[^?]\?digest=/],
    ['without a scheme', (location) => `//${proxy.host}${location}`, /[^?]\?digest=/],
    ['relative to the request', (location) => location.replace(/.*\//, ''), /[^?]\?digest=/],
  ])('%s', async (_name, shape, expected) => {
    proxy.on(/^POST .*uploads\/$/, async (exchange) => {
      const opened = await fetch(`${target.url}${exchange.seen.path}`, { method: 'POST' });
      await answer(202, { location: shape(opened.headers.get('location') ?? '') })(exchange);
    });
    proxy.on(/^PATCH/, answer(405));
    expect(await copied()).toMatchObject({ code: 0 });
    for (const { path } of proxy.requestsMatching(/^PUT .*uploads/)) expect(path).toMatch(expected);
  });
});

test.each([
  [
    { location: 'ftp://files.test/x' },
    'HOST sent an upload location at ftp://files.test, which is neither http nor https',
  ],
  [{}, 'the response of HOST has no valid Location header'],
])('names the reference of an upload that cannot continue: %j', async (headers, reason) => {
  proxy.on(/^POST/, answer(202, headers));
  const { code, stderr } = await copied();
  const [first = ''] = stderr.split('\n').filter((line) => line.startsWith('mlist: '));
  expect([code, first.replaceAll(proxy.host, 'HOST').replace(/sha256:[0-9a-f]{64}/, 'DIGEST')]).toEqual([
    7,
    `mlist: cannot upload HOST/team/app@DIGEST: ${reason}`,
  ]);
});

describe('a proxy that limits the size of a request', () => {
  const limited =
    (most: number, refusal: Rule): Rule =>
    (exchange) =>
      Number(exchange.seen.headers['content-length']) > most ? refusal(exchange) : exchange.pass();
  /** Answers after the headers, and closes the connection. */
  const earlyResponse: Rule = ({ request, response }) => {
    response.writeHead(413, { 'content-length': 0, connection: 'close' }).end(() => request.socket.destroy());
  };

  test.each([
    ['that reads what it refuses', answer(413)],
    ['that breaks the connection', earlyResponse],
  ])('%s gets smaller requests, down to exactly 1 MiB, whatever --retries says', async (_name, refusal) => {
    proxy.on(/^(?:PUT|PATCH) .*uploads/, limited(MIB, refusal));
    // The answer may be lost with the connection, which counts as a failed attempt.
    expect(await copied('--retries', refusal === earlyResponse ? '8' : '0')).toMatchObject({ code: 0 });
    const accepted = proxy.requestsMatching(/^PATCH/).filter(({ status }) => status === 202);
    expect(accepted.map(({ headers }) => headers['content-length'])).toEqual(Array(4).fill(String(MIB)));
  });

  test.each([
    ['of a blob', /^(?:PUT|PATCH) .*uploads/],
    ['of a manifest', /^PUT .*manifests/],
  ])('%s below 1 MiB ends the command, with a hint', async (_name, pattern) => {
    proxy.on(pattern, limited(100, answer(413)));
    expect(await copied()).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(
        /the request is too large for \S+ \(HTTP 413\)\nhint: .*proxy.*client_max_body_size/,
      ) as unknown,
    });
    expect(Math.min(...sizesOf(/^PATCH/), MIB)).toBe(MIB);
  });
});

test('a registry that does not accept chunks gets the whole blob again', async () => {
  const large = makeImage({ platform: { architecture: 'amd64', os: 'linux' }, noise: 17 * MIB });
  await pushImage(source.url, 'team/app', 'large', large);
  proxy.on(/^PATCH/, answer(405));
  proxy.on(
    /^PUT .*uploads/,
    (exchange) => (Number(exchange.seen.headers['content-length']) > 16 * MIB ? reset : answer(500))(exchange),
    3,
  );
  expect(await cli.run(['copy', `${source.host}/team/app:large`, `${proxy.host}/team/app:1`])).toMatchObject({
    code: 0,
  });
  expect(proxy.requestsMatching(/^PATCH/)).toHaveLength(1);
});

describe('a mount', () => {
  /** Copies within the registry. */
  async function mounted(rule: Rule): Promise<CliResult> {
    await pushImage(target.url, 'team/app', '1', image);
    proxy.on(/^POST .*mount=/, rule);
    return cli.run(['copy', `${proxy.host}/team/app:1`, `${proxy.host}/team/other:1`]);
  }

  test('answered by 200 succeeds if a read finds the blob', async () => {
    const { code, stderr } = await mounted(({ pass }) => pass({ status: 200 }));
    expect([code, stderr]).toEqual([0, expect.stringContaining('3 mounted, 0 uploaded')]);
    expect(proxy.requestsMatching(/^PUT .*uploads/)).toEqual([]);
  });

  test.each([
    ['200 without a mount', answer(200)],
    ['202 without a location', answer(202)],
  ])('answered by %s becomes an upload', async (_name, rule) => {
    const { code, stderr } = await mounted(rule);
    expect([code, stderr]).toEqual([0, expect.stringContaining('0 mounted, 3 uploaded')]);
  });
});
