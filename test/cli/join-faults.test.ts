import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { slotName } from '../../src/operations/join/slot.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { startMlist, until } from '../support/mlist.ts';
import { concurrentTests } from '../support/concurrent-tests.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/**
 * `join` on registries that fail, that show writes late, or that other programs write to. The tests run concurrently, because
 * a join waits more than it computes; the rules and requests of each are those of its own tag.
 */
const repository = 'team/app';
const image = (salt: string, architecture: string): Image =>
  makeImage({ salt, kind: 'oci', platform: { architecture, os: 'linux' } });
const amd64 = image('new', 'amd64');
const arm64 = image('new', 'arm64');
const old = image('old', 'amd64');
const expectAmd64 = ['--group', '1', '--expect', 'linux/amd64'];
const expectBoth = ['--group', '1', '--expect', 'linux/amd64,linux/arm64'];

let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
beforeAll(async () => {
  registry = await startRegistry();
  proxy = await RecordingProxy.start({ upstream: registry.url });
  cli = await CliHarness.make();
  await pushImage(registry.url, repository, 'amd64', amd64);
  await pushImage(registry.url, repository, 'arm64', arm64);
  await pushImage(registry.url, repository, 'old', old);
});
afterAll(async () => {
  await proxy.close();
  await registry.close();
});
const concurrent = concurrentTests();

const ref = (tag: string) => `${proxy.host}/${repository}:${tag}`;
const argumentsOf = (tag: string, ...more: readonly string[]) => ['join', ref(tag), ref('amd64'), ...more];
const joining = (tag: string, ...more: readonly string[]): Promise<CliResult> => cli.run(argumentsOf(tag, ...more));
const puts = (name: string) => proxy.requestsMatching(new RegExp(`^PUT .*/manifests/${name}$`));
const slotOf = (tag: string) => slotName(tag, 'linux/amd64');

const unavailable = (status: number, headers: Readonly<Record<string, string>> = {}): Rule =>
  answer(
    status,
    { 'content-type': 'application/json', ...headers },
    JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'the disk is full' }] }),
  );

/** Sets the tag to a list with an older image, and returns its digest. */
async function putOld(tag: string): Promise<string> {
  const { mediaType, bytes, digest } = makeIndex([entryOf(old, { architecture: 'amd64', os: 'linux' })]);
  await putManifest(registry.url, repository, tag, mediaType, bytes);
  return digest;
}

/** Further reads of this tag return its current content. */
async function freeze(name: string, reads = Number.POSITIVE_INFINITY): Promise<void> {
  const { bytes, mediaType } = (await getManifest(registry.url, repository, name))!;
  proxy.on(new RegExp(`^GET .*/manifests/${name}$`), answer(200, { 'content-type': mediaType }, bytes), reads);
}

describe('a registry that fails', () => {
  const failures: readonly [string, string, (tag: string) => string, Rule, number, RegExp][] = [
    [
      'a 500 to the tag',
      'tag-500',
      (tag) => tag,
      unavailable(500),
      3,
      /reported a server error \(HTTP 500, UNAVAILABLE: the disk/,
    ],
    [
      'a 503 to a slot',
      'slot-503',
      slotOf,
      unavailable(503),
      3,
      /reported a server error \(HTTP 503, UNAVAILABLE: the disk/,
    ],
    ['a 429 to the tag', 'tag-429', (tag) => tag, unavailable(429), 3, /limits the rate of requests \(HTTP 429/],
    ['a 400 to the tag', 'tag-400', (tag) => tag, unavailable(400), 1, /refused it \(HTTP 400/],
    [
      'a wait of an hour',
      'tag-hour',
      (tag) => tag,
      unavailable(503, { 'retry-after': '3600' }),
      1,
      /reported a server error and asks clients to wait 3600 s \(HTTP 503/,
    ],
    ['a 412 to every write', 'tag-412', (tag) => tag, unavailable(412), 2, /refused it \(HTTP 412/],
  ];
  for (const [name, tag, written, rule, times, message] of failures)
    concurrent(`${name}: exit code 7 with its answer, after the attempts of --retries`, async () => {
      proxy.on(new RegExp(`^PUT .*/manifests/${written(tag)}$`), rule);
      for (const more of [expectAmd64, []]) {
        const before = puts(written(tag)).length;
        const { code, stdout, stderr } = await joining(tag, '--retries', '2', ...more);
        expect({ code, stdout, stderr }).toEqual({
          code: 7,
          stdout: '',
          stderr: expect.stringMatching(message) as unknown,
        });
        expect(stderr).toContain(`cannot write ${ref(written(tag))}: `);
        expect(puts(written(tag))).toHaveLength(before + times);
      }
    });

  concurrent('retries a failed read as often as --retries allows', async () => {
    proxy.on(/^GET .*\/manifests\/unread$/, unavailable(500));
    const result = await joining('unread', '--retries', '1', ...expectAmd64);
    expect(result).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/cannot read .*:unread: .*HTTP 500/) as unknown,
    });
    expect(proxy.requestsMatching(/^GET .*\/manifests\/unread$/)).toHaveLength(2);
  });

  concurrent('names all slots that fail', async () => {
    const slots = ['linux/amd64', 'linux/arm64'].map((platform) => slotName('both', platform));
    proxy.on(new RegExp(`^PUT .*/manifests/(?:${slots.join('|')})$`), unavailable(503), 2);
    const result = await joining('both', ref('arm64'), '--retries', '0');
    expect(result.code).toBe(7);
    for (const slot of slots) expect(result.stderr).toContain(slot);
  });

  concurrent('accepts a write that was executed although the answer was an error', async () => {
    proxy.on(/^PUT .*\/manifests\/happened$/, ({ pass }) => pass({ status: 504 }));
    expect(await joining('happened', '--retries', '0', ...expectAmd64)).toMatchObject({ code: 0 });
    expect(puts('happened')).toHaveLength(1);
  });

  concurrent('a participant that waits for others continues after a failed read', async () => {
    const other = slotName('polled', 'linux/arm64');
    const reads = new RegExp(`^GET .*/manifests/${other}$`);
    const env = { HOME: cli.folder, MLIST_WORKSPACE: cli.workspace };
    const { ended } = startMlist(argumentsOf('polled', ...expectBoth, '--wait', '10m', '--retries', '1'), env);
    await until(() => proxy.requestsMatching(reads).length >= 3, ended);
    proxy.on(reads, unavailable(503), 2);
    const seen = proxy.requestsMatching(reads).length;
    await until(() => proxy.requestsMatching(reads).length >= seen + 3, ended);
    await cli.must('join', ref('polled'), ref('arm64'), ...expectBoth);
    expect(await ended).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/HTTP 503/) as unknown });
  });
});

describe('a registry that shows writes late', () => {
  for (const [name, more] of [['with --expect', expectAmd64] as const, ['without --expect', []] as const])
    concurrent(`${name}: the tag is written once, and the join ends well`, async () => {
      const tag = name.replaceAll(/[^a-z]+/g, '-');
      await putOld(tag);
      await freeze(tag, 5);
      const { code, stdout } = await joining(tag, ...more);
      expect(code).toBe(0);
      expect(puts(tag)).toHaveLength(1);
      expect(stdout.trim()).toBe((await getManifest(registry.url, repository, tag))?.digest);
    });

  concurrent('never: exit code 7 with both digests after the wait', async () => {
    const before = await putOld('never');
    await freeze('never');
    const { code, stderr } = await joining('never', ...expectAmd64, '--wait', '2s');
    const written = (await getManifest(registry.url, repository, 'never'))!.digest;
    expect(code).toBe(7);
    expect(stderr).toContain(`the registry accepted ${written} as ${ref('never')}, but still returns ${before}`);
    expect(puts('never')).toHaveLength(1);
  });

  concurrent('replaces a slot of the same build with another image, from an earlier attempt', async () => {
    const slot = slotOf('rerun');
    await cli.must('join', ref('rerun'), ref('old'));
    const before = puts(slot).length;
    await freeze(slot, 5);
    expect(await joining('rerun')).toMatchObject({ code: 0 });
    expect(puts(slot)).toHaveLength(before + 1);
  });
});

concurrent('another program that moves the tag after every write: exit code 5', async () => {
  let moves = 0;
  proxy.on(/^GET .*\/manifests\/contested$/, async ({ pass }) => {
    if (puts('contested').length > moves) {
      moves = puts('contested').length;
      const entries = [entryOf(old, { architecture: 'amd64', os: 'linux' })];
      const { mediaType, bytes } = makeIndex(entries, { annotations: { move: String(moves) } });
      await putManifest(registry.url, repository, 'contested', mediaType, bytes);
    }
    await pass();
  });
  const result = await joining('contested', ...expectAmd64);
  expect(result).toMatchObject({
    code: 5,
    stdout: '',
    stderr: expect.stringMatching(/the tag or its slots kept changing during 50 rounds/) as unknown,
  });
  expect(moves).toBeGreaterThan(1);
});
