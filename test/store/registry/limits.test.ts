import { describe, expect, test } from '@jest/globals';
import { answer } from '../../support/recording-proxy.ts';
import { CliHarness } from '../../support/cli-harness.ts';
import { imageOf } from '../samples.ts';
import { put, repository, served, session, mostAtOnce, putBlobs } from './setup.ts';

/** Limits of registries and of the client. Only the minimum length of a wait is checked. */

async function proxiedRegistry() {
  const { proxy, host } = await served();
  const { config, layers, manifest } = imageOf('limits');
  const setUp = repository(session(), host, 'repo');
  for (const blob of [config, ...layers]) await put(setUp, blob);
  await setUp.putManifest(manifest, 'v1');
  proxy.clear();
  return { proxy, host };
}

describe('Retry-After', () => {
  test.each<[string, () => string, number]>([
    ['in seconds', () => '1', 1000],
    ['in a fraction of a second', () => '0.4', 400],
    ['in milliseconds', () => '300ms', 300],
    // A date has no fractions, so at least one of the two seconds remains.
    ['until a date', () => new Date(Date.now() + 2000).toUTCString(), 900],
    ['until a date that is over', () => 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ])('%s gets the request again, and not before', async (_name, header, least) => {
    const { proxy, host } = await proxiedRegistry();
    const came: number[] = [];
    proxy.on(/^GET/, (exchange) => {
      came.push(performance.now());
      return came.length === 1 ? answer(429, { 'retry-after': header() })(exchange) : exchange.pass();
    });
    await repository(session(), host, 'repo').fetchManifest('v1');
    expect(came).toHaveLength(2);
    // A timer may fire a little early.
    expect(came[1]! - came[0]!).toBeGreaterThanOrEqual(least - 5);
  });

  test('fails at once if the wait is too long', async () => {
    const { proxy, host } = await proxiedRegistry();
    proxy.on(/^GET/, answer(429, { 'retry-after': '86400' }));
    await expect(repository(session(), host, 'repo').fetchManifest('v1')).rejects.toMatchObject({
      code: 'ERR_MLIST_REGISTRY',
      facts: { status: 429 },
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test('delays other requests to the registry too', async () => {
    const { proxy, host } = await proxiedRegistry();
    const refused: number[] = [];
    const came: number[] = [];
    proxy.on(/^/, (exchange) => {
      came.push(performance.now());
      return exchange.pass();
    });
    proxy.on(
      /manifests/,
      (exchange) => {
        refused.push(performance.now());
        return answer(429, { 'retry-after': '0.5' })(exchange);
      },
      1,
    );
    const from = session();
    const repo = repository(from, host, 'repo');
    const reading = repo.fetchManifest('v1');
    // The client has received the response.
    while (from.events[0]?.status !== 429) await new Promise((resolve) => setTimeout(resolve, 5));
    await repo.fetchBlob(imageOf('limits').config.descriptor);
    await reading;
    expect(came[0]! - refused[0]!).toBeGreaterThanOrEqual(495);
  });
});

test.each([1, 3])('sends at most %d requests to a registry at once', async (concurrency) => {
  const { proxy, host } = await served();
  const target = repository(session({ concurrency }), host, 'repo');
  expect(await mostAtOnce(proxy, concurrency, () => putBlobs(target, 12))).toBe(concurrency);
});

const MIB = 1024 * 1024;

test.each([
  ['24 blobs of 1 MiB', {}, MIB, 24],
  ['6 blobs of 5 MiB', {}, 5 * MIB, 6],
  ['8 blobs of 5 MiB with a concurrency of 8', { concurrency: 8 }, 5 * MIB, 8],
])('sends %s at once', async (_name, options, length, expected) => {
  const { proxy, host } = await served();
  const target = repository(session(options), host, 'repo');
  expect(await mostAtOnce(proxy, expected, () => putBlobs(target, expected + 4, length))).toBe(expected);
});

test('--debug shows the rate limit of Docker Hub', async () => {
  const { proxy, host } = await proxiedRegistry();
  const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' };
  proxy.on(/manifests/, ({ pass }) => pass({ headers }));
  const cli = await CliHarness.make();
  const plain = await cli.run(['digest', `${host}/repo:v1`, '--debug']);
  expect([plain.code, plain.stderr]).toEqual([0, expect.stringMatching(/200.*76 of 100 left/)]);
  const { stderr } = await cli.run(['digest', `${host}/repo:v1`, '--debug', '--json']);
  const events = stderr.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { type: string }]));
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'request', rateLimit: { limit: 100, remaining: 76, window: 21_600 } }),
  );
});
