import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { groupOf } from '../../src/operations/join/group.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { compareGroups, type Group } from '../../src/operations/join/group.ts';
import { slotName } from '../../src/operations/join/slot.ts';
import { pushBuild } from '../support/buildx.ts';
import { answer, RecordingProxy, reset } from '../support/recording-proxy.ts';
import {
  entryOf,
  getManifest,
  makeImage,
  makeIndex,
  pushImage,
  putManifest,
  sha256,
  type Image,
} from '../support/images.ts';
import { describeOnFirstRegistry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { concurrentTests } from '../support/concurrent-tests.ts';

/**
 * `join` by one job after the other: its output, the tag, and the slots. The tests of a block run concurrently, because a join
 * waits more than it computes; each uses its own tags.
 */
interface Document {
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
  readonly manifests: readonly { digest: string; platform?: object; annotations?: Record<string, string> }[];
}

interface JoinResult {
  readonly complete: boolean;
  readonly waiting: readonly string[];
  readonly superseded?: string;
  readonly digest?: string;
  readonly slots: readonly { platform: string; tag: string }[];
}

const image = (salt: string, architecture: string, more: object = {}, kind: 'oci' | 'docker' = 'oci'): Image =>
  makeImage({ salt, kind, platform: { architecture, os: 'linux', ...more } });

const amd64 = image('a', 'amd64');
const arm64 = image('b', 'arm64', { variant: 'v8' });
const armv7 = image('c', 'arm', { variant: 'v7' });

async function documentOf(url: string, repository: string, tag: string): Promise<Document | undefined> {
  const served = await getManifest(url, repository, tag);
  return served && (JSON.parse(served.bytes.toString()) as Document);
}

async function digestsOf(url: string, repository: string, tag: string): Promise<readonly string[] | undefined> {
  return (await documentOf(url, repository, tag))?.manifests.map(({ digest }) => digest);
}

async function tagsOf(url: string, repository: string): Promise<readonly string[]> {
  const response = await fetch(`${url}/v2/${repository}/tags/list`);
  return response.ok ? (((await response.json()) as { tags: string[] | null }).tags ?? []) : [];
}

describeOnFirstRegistry('join', (start) => {
  let registry: Awaited<ReturnType<typeof start>>;
  let cli: CliHarness;
  const at = (name: string) => `${registry.host}/${name}`;
  beforeAll(async () => {
    registry = await start();
    cli = await CliHarness.make();
    await pushImage(registry.url, 'team/built', 'amd64', amd64);
    await pushImage(registry.url, 'team/built', 'arm64', arm64);
    await pushImage(registry.url, 'team/built', 'armv7', armv7);
  });
  afterAll(() => registry.close());
  const concurrent = concurrentTests();

  const joining = (...args: readonly string[]) => cli.json<JoinResult>('join', ...args);

  concurrent('with --expect: writes the tag when all platforms have joined, in the expected order', async () => {
    const args = ['--expect', 'linux/arm64,linux/amd64', '--group', '7'];
    const first = await joining(at('one/app:v1'), at('team/built:amd64'), ...args);
    expect(first).toMatchObject({ complete: false, waiting: ['linux/arm64'] });
    expect(first.digest).toBeUndefined();
    expect(await documentOf(registry.url, 'one/app', 'v1')).toBeUndefined();
    const second = await joining(at('one/app:v1'), at('team/built:arm64'), ...args);
    expect(second).toMatchObject({ complete: true, waiting: [] });
    expect(await digestsOf(registry.url, 'one/app', 'v1')).toEqual([arm64.digest, amd64.digest]);
    const again = await joining(at('one/app:v1'), at('team/built:amd64'), ...args);
    expect(again.digest).toBe(second.digest);
    for (const one of [amd64, arm64]) {
      expect((await getManifest(registry.url, 'one/app', one.digest))?.bytes).toEqual(one.bytes);
    }
  });

  concurrent(
    'without --expect: extends the list in canonical order, and prints only the digest on stdout',
    async () => {
      for (const name of ['armv7', 'amd64', 'arm64']) {
        const { code, stdout } = await cli.run(['join', at('two/app'), at(`team/built:${name}`)]);
        expect([code, stdout]).toEqual([0, expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/)]);
      }
      expect(await digestsOf(registry.url, 'two/app', 'latest')).toEqual([amd64.digest, armv7.digest, arm64.digest]);
    },
  );

  concurrent('many concurrent jobs, without --expect', async () => {
    const names = ['armv7', 'amd64', 'arm64'];
    const result = await Promise.all(names.map((name) => joining(at('three/app:v1'), at(`team/built:${name}`))));
    expect(new Set(result.map(({ digest }) => digest)).size).toBe(1);
    expect(await digestsOf(registry.url, 'three/app', 'v1')).toEqual([amd64.digest, armv7.digest, arm64.digest]);
  });

  concurrent('--prune deletes the slots and nothing else', async () => {
    const args = ['--group', '1'];
    await joining(at('four/app:v1'), at('team/built:amd64'), ...args);
    await joining(at('four/app:v2'), at('team/built:amd64'), ...args);
    const pruned = await cli.json<{ pruned: string[] }>('join', '--prune', at('four/app:v1'));
    expect(pruned.pruned).toEqual([slotName('v1', 'linux/amd64')]);
    expect([...(await tagsOf(registry.url, 'four/app'))].sort()).toEqual(
      [slotName('v2', 'linux/amd64'), 'v1', 'v2'].sort(),
    );
    expect(await digestsOf(registry.url, 'four/app', 'v1')).toEqual([amd64.digest]);
    expect(await cli.json('join', '--prune', at('four/app:v1'))).toMatchObject({ pruned: [] });
  });
});

describe('the content that join writes', () => {
  let registry: RunningRegistry;
  let cli: CliHarness;
  const at = (name: string) => `${registry.host}/${name}`;
  beforeAll(async () => {
    registry = await startRegistry();
    cli = await CliHarness.make();
    await pushImage(registry.url, 'team/app', 'amd64', amd64);
    await pushImage(registry.url, 'team/app', 'arm64', arm64);
  });
  afterAll(() => registry.close());
  const concurrent = concurrentTests();
  const joining = (...args: readonly string[]) => cli.json<JoinResult>('join', ...args);
  const expectBoth = ['--expect', 'linux/amd64,linux/arm64'];

  concurrent('a slot is an index of the images for a platform, with the specified tag and annotations', async () => {
    const { slots } = await joining(at('team/app:slots'), at('team/app:arm64'), ...expectBoth, '--group', '9');
    const hex = (text: string) => sha256(Buffer.from(text)).slice('sha256:'.length);
    const tag = `mlist-${hex('slots').slice(0, 12)}-linux-arm64-${hex('linux/arm64').slice(0, 8)}`;
    const platformObject = { architecture: 'arm64', os: 'linux' };
    expect(slots).toEqual([{ platform: 'linux/arm64', platformObject, tag }]);
    expect(await documentOf(registry.url, 'team/app', tag)).toMatchObject({
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ digest: arm64.digest }],
      annotations: {
        'mlist.join.target': at('team/app:slots'),
        'mlist.join.group': '9',
        'mlist.join.platform': 'linux/arm64',
        'mlist.join.expect': 'linux/amd64,linux/arm64',
      },
    });
  });

  concurrent('attestations are listed after the images; --attestations drop skips them', async () => {
    await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
    const [built, attestation] = (await digestsOf(registry.url, 'team/app', 'built')) ?? [];
    await joining(at('team/app:attested'), at('team/app:built'));
    await joining(at('team/app:attested'), at('team/app:amd64'));
    expect(await digestsOf(registry.url, 'team/app', 'attested')).toEqual([amd64.digest, built, attestation]);
    await joining(at('team/app:attested'), at('team/app:built'), '--attestations', 'drop');
    expect(await digestsOf(registry.url, 'team/app', 'attested')).toEqual([amd64.digest, built]);
  });

  concurrent('keeps other platforms, annotations and unknown members of the list', async () => {
    const old = image('old', 'amd64');
    await pushImage(registry.url, 'team/app', undefined, old);
    const index = makeIndex(
      [entryOf(old, { architecture: 'amd64', os: 'linux' }), entryOf(arm64, { architecture: 'arm64', os: 'linux' })],
      { annotations: { kept: 'yes' }, 'x-unknown': [1.5] },
    );
    await putManifest(registry.url, 'team/app', 'base', index.mediaType, index.bytes);
    await joining(at('team/app:base'), at('team/app:amd64'), '--group', '1');
    expect(await documentOf(registry.url, 'team/app', 'base')).toMatchObject({
      annotations: { kept: 'yes' },
      'x-unknown': [1.5],
      manifests: [{ digest: amd64.digest }, { digest: arm64.digest }],
    });
  });

  concurrent('does not write a list that is already complete, whatever its order', async () => {
    const entries = [
      entryOf(arm64, { architecture: 'arm64', os: 'linux', variant: 'v8' }),
      entryOf(amd64, { architecture: 'amd64', os: 'linux' }),
    ];
    const index = makeIndex(entries);
    await putManifest(registry.url, 'team/app', 'same', index.mediaType, index.bytes);
    const { digest } = await joining(at('team/app:same'), at('team/app:amd64'));
    expect(digest).toBe(index.digest);
  });

  concurrent('replaces a single image with a list that includes it', async () => {
    await pushImage(registry.url, 'team/app', 'single', amd64);
    await joining(at('team/app:single'), at('team/app:arm64'));
    expect(await digestsOf(registry.url, 'team/app', 'single')).toEqual([amd64.digest, arm64.digest]);
  });

  concurrent('writes a Docker list for Docker images', async () => {
    const docker = image('docker', 'amd64', {}, 'docker');
    await pushImage(registry.url, 'team/app', 'docker', docker);
    await joining(at('team/app:dockers'), at('team/app:docker'));
    const type = 'application/vnd.docker.distribution.manifest.list.v2+json';
    expect((await documentOf(registry.url, 'team/app', 'dockers'))?.mediaType).toBe(type);
  });

  concurrent('an image with an OS version matches an expected platform without one', async () => {
    const windows = makeImage({
      salt: 'w',
      kind: 'oci',
      platform: { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.2402' },
    });
    await pushImage(registry.url, 'team/app', 'windows', windows);
    const result = await joining(
      at('team/app:versions'),
      at('team/app:windows'),
      '--expect',
      'windows/amd64',
      '--group',
      '1',
    );
    expect(result).toMatchObject({ complete: true, slots: [{ platform: 'windows/amd64' }] });
    expect(await digestsOf(registry.url, 'team/app', 'versions')).toEqual([windows.digest]);
  });
});

describe('concurrent builds', () => {
  let registry: RunningRegistry;
  let cli: CliHarness;
  const at = (name: string) => `${registry.host}/${name}`;
  const images = ['old', 'new'].flatMap((salt) =>
    ['amd64', 'arm64'].map((one) => [salt, one, image(salt, one)] as const),
  );
  const digest = (salt: string, one: string) => images.find(([its, name]) => its === salt && name === one)![2].digest;
  beforeAll(async () => {
    registry = await startRegistry();
    cli = await CliHarness.make();
    for (const [salt, one, its] of images) await pushImage(registry.url, 'team/app', `${salt}-${one}`, its);
  });
  afterAll(() => registry.close());
  const concurrent = concurrentTests();
  const joining = (tag: string, salt: string, one: string, ...more: readonly string[]) =>
    cli.json<JoinResult>('join', at(`team/app:${tag}`), at(`team/app:${salt}-${one}`), ...more);
  const expectBoth = ['--expect', 'linux/amd64,linux/arm64'];

  concurrent('the newer build wins; the older one never completes, and no list mixes both', async () => {
    await joining('meet', 'old', 'amd64', ...expectBoth, '--group', '99');
    await joining('meet', 'new', 'arm64', ...expectBoth, '--group', '100');
    const late = await joining('meet', 'old', 'arm64', ...expectBoth, '--group', '99');
    expect(late).toMatchObject({ complete: false, superseded: '100' });
    expect(await documentOf(registry.url, 'team/app', 'meet')).toBeUndefined();
    expect(await joining('meet', 'new', 'amd64', ...expectBoth, '--group', '100')).toMatchObject({ complete: true });
    expect(await digestsOf(registry.url, 'team/app', 'meet')).toEqual([digest('new', 'amd64'), digest('new', 'arm64')]);
    expect(await joining('meet', 'old', 'amd64', ...expectBoth, '--group', '99')).toMatchObject({ superseded: '100' });
    expect(await digestsOf(registry.url, 'team/app', 'meet')).toEqual([digest('new', 'amd64'), digest('new', 'arm64')]);
  });

  concurrent('without --expect, an older build adds nothing to the list of a newer one', async () => {
    await joining('grow', 'old', 'amd64', '--group', '1');
    await joining('grow', 'new', 'amd64', '--group', '2');
    expect(await joining('grow', 'old', 'arm64', '--group', '1')).toMatchObject({ complete: false, superseded: '2' });
    expect(await digestsOf(registry.url, 'team/app', 'grow')).toEqual([digest('new', 'amd64')]);
  });

  concurrent('a repeated job replaces its image; a late process of the first attempt does not', async () => {
    const run = (salt: string, attempt: string) =>
      cli.run(['join', at('team/app:tries'), at(`team/app:${salt}-amd64`), '--json'], {
        env: { GITHUB_RUN_ID: '5', GITHUB_RUN_ATTEMPT: attempt },
      });
    for (const [salt, attempt] of [
      ['old', '1'],
      ['new', '2'],
      ['old', '1'],
    ] as const) {
      expect(await run(salt, attempt)).toMatchObject({ code: 0 });
    }
    expect(await digestsOf(registry.url, 'team/app', 'tries')).toEqual([digest('new', 'amd64')]);
  });

  concurrent('jobs of one build with different --expect fail before the tag is written', async () => {
    await joining('order', 'new', 'amd64', ...expectBoth, '--group', '1');
    const args = ['join', at('team/app:order'), at('team/app:new-arm64'), '--group', '1'];
    for (const more of [['--expect', 'linux/arm64,linux/amd64'], []]) {
      expect(await cli.run([...args, ...more])).toMatchObject({
        code: 5,
        stderr: expect.stringMatching(/expect different platforms/) as unknown,
      });
    }
    expect(await documentOf(registry.url, 'team/app', 'order')).toBeUndefined();
  });

  concurrent('--wait waits for the other jobs, and exits with 5 if they do not join', async () => {
    const waiting = joining('wait', 'new', 'amd64', ...expectBoth, '--group', '1', '--wait', '60s');
    await joining('wait', 'new', 'arm64', ...expectBoth, '--group', '1');
    expect(await waiting).toMatchObject({ complete: true });
    const args = [
      'join',
      at('team/app:vain'),
      at('team/app:new-amd64'),
      ...expectBoth,
      '--group',
      '1',
      '--wait',
      '300ms',
    ];
    expect(await cli.run(args)).toMatchObject({
      code: 5,
      stdout: '',
      stderr: expect.stringMatching(/timed out waiting for linux\/arm64/) as unknown,
    });
  });
});

describe('errors', () => {
  let registry: RunningRegistry;
  let proxy: RecordingProxy;
  let cli: CliHarness;
  beforeAll(async () => {
    registry = await startRegistry();
    proxy = await RecordingProxy.start({ upstream: registry.url });
    cli = await CliHarness.make();
    await pushImage(registry.url, 'team/app', 'amd64', amd64);
    await pushImage(registry.url, 'team/app', 'twin', image('twin', 'amd64'));
    const empty = makeIndex([]);
    await putManifest(registry.url, 'team/app', 'empty', empty.mediaType, empty.bytes);
    await pushImage(
      registry.url,
      'team/app',
      'artifact',
      makeImage({ salt: 'x', kind: 'oci', platform: { architecture: '', os: '' } }),
    );
  });
  afterAll(async () => {
    await proxy.close();
    await registry.close();
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ['nothing to join', ['REG/team/app:x'], 2, /missing argument: MANIFEST/],
    ['a digest', [`REG/team/app@${amd64.digest}`, 'REG/team/app:amd64'], 2, /it has a digest/],
    ['a layout', ['oci:here:x', 'REG/team/app:amd64'], 2, /join supports registries only/],
    ['--expect without a build', ['REG/team/app:x', 'REG/team/app:amd64', '--expect', 'linux/amd64'], 2, /--group/],
    ['--wait without --expect', ['REG/team/app:x', 'REG/team/app:amd64', '--wait', '1s'], 2, /--wait needs --expect/],
    [
      'a group of control characters',
      ['REG/team/app:x', 'REG/team/app:amd64', '--group', '\u001b'],
      2,
      /--group takes/,
    ],
    [
      'an image that nobody expects',
      ['REG/team/app:x', 'REG/team/app:amd64', '--expect', 'linux/arm64', '--group', '1'],
      3,
      /its platform is not among the expected platforms/,
    ],
    [
      'two images for one platform',
      ['REG/team/app:x', 'REG/team/app:amd64', 'REG/team/app:twin'],
      3,
      /joining images to/,
    ],
    ['an image without a platform', ['REG/team/app:x', 'REG/team/app:artifact'], 2, /its platform is unknown/],
    ['a list without images', ['REG/team/app:x', 'REG/team/app:empty'], 3, /the arguments contain no image/],
    ['an image that is not there', ['REG/team/app:x', 'REG/team/app:gone'], 4, /does not have it/],
    ['more than the tag for --prune', ['--prune', 'REG/team/app:x', 'REG/team/app:y'], 2, /--prune takes only REF/],
  ])('%s', async (_name, args, code, message) => {
    const result = await cli.run(['join', ...args.map((arg) => arg.replace('REG', registry.host))]);
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) as unknown });
    expect(await documentOf(registry.url, 'team/app', 'x')).toBeUndefined();
  });

  test('names a registry that cannot list tags, with a workaround', async () => {
    proxy.on(/tags\/list/, answer(403));
    const result = await cli.run(['join', `${proxy.host}/team/app:unlisted`, `${proxy.host}/team/app:amd64`]);
    expect(result).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/List the expected platforms with --expect\. Without it,/) as unknown,
    });
    const more = ['--expect', 'linux/amd64', '--group', '1'];
    await cli.must('join', `${proxy.host}/team/app:unlisted`, `${proxy.host}/team/app:amd64`, ...more);
  });

  test('does not trust an empty list of tags', async () => {
    proxy.on(/tags\/list/, answer(200, { 'content-type': 'application/json' }, '{"name":"team/app","tags":[]}'));
    const result = await cli.run(['join', `${proxy.host}/team/app:empty`, `${proxy.host}/team/app:amd64`]);
    expect(result).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/the tag list .* is incomplete; it lacks mlist-/) as unknown,
    });
  });

  test('checks whether a write with a failed answer was executed, before it writes again', async () => {
    proxy.clear();
    proxy.on(/^PUT .*manifests\/unclear$/, ({ pass }) => pass({ loseResponse: true }), 1);
    proxy.on(/tags\/list/, ({ pass }) => pass());
    await cli.must('join', `${proxy.host}/team/app:unclear`, `${proxy.host}/team/app:amd64`);
    expect(proxy.requestsMatching(/^PUT .*manifests\/unclear$/)).toHaveLength(1);
    proxy.on(/^PUT .*manifests\/cut$/, reset, 3);
    await cli.must('join', `${proxy.host}/team/app:cut`, `${proxy.host}/team/app:amd64`);
    const requests = proxy.requests.map(({ method, path }) => `${method} ${path.split('/').at(-1)!}`);
    const puts = requests.flatMap((line, position) => (line === 'PUT cut' ? [position] : []));
    expect(puts).toHaveLength(4);
    for (const [before, after] of puts.slice(1).map((position, index) => [puts[index]!, position] as const)) {
      expect(requests.slice(before, after)).toContain('GET cut');
    }
  });

  test('sends no conditions to a registry that misinterprets them', async () => {
    proxy.on(/^PUT .*manifests\/odd$/, (exchange) => {
      const { headers } = exchange.request;
      return headers['if-none-match'] === undefined && headers['if-match'] === undefined
        ? exchange.pass()
        : answer(412)(exchange);
    });
    await cli.must('join', `${proxy.host}/team/app:odd`, `${proxy.host}/team/app:amd64`);
    expect(await digestsOf(registry.url, 'team/app', 'odd')).toEqual([amd64.digest]);
  });

  test('replaces foreign content under the tag of a slot', async () => {
    await pushImage(registry.url, 'team/app', slotName('strange', 'linux/amd64'), image('y', 's390x'));
    const result = await cli.run(['join', `${registry.host}/team/app:strange`, `${registry.host}/team/app:amd64`]);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringMatching(/is ignored/) as unknown });
    expect(await digestsOf(registry.url, 'team/app', 'strange')).toEqual([amd64.digest]);
  });
});

describe('the order of builds', () => {
  const groupWith = (group: string | Group, began = 0) => ({
    ...(typeof group === 'string' ? { id: group } : group),
    began,
  });

  test.each<[string, string | Group, string | Group, readonly [number, number]]>([
    ['numbers', '99', '100', [0, 0]],
    ['numbers, whatever the time', '99', '100', [2000, 1000]],
    ['numbers of any length', '9'.repeat(30), `1${'0'.repeat(30)}`, [0, 0]],
    ['numbers at the end', 'jenkins-app-9', 'jenkins-app-10', [0, 0]],
    ['a counter beside the id', { id: 'f', number: '9' }, { id: 'a', number: '10' }, [0, 0]],
    ['other ids by time', 'b', 'a', [1000, 2000]],
    ['two series by time', 'x-9', 'y-1', [1000, 2000]],
    ['other ids of one moment by their text', 'a', 'b', [0, 0]],
  ])('%s', (_name, older, newer, [olderBegan, newerBegan]) => {
    const [left, right] = [groupWith(older, olderBegan), groupWith(newer, newerBegan)];
    expect([Math.sign(compareGroups(left, right)), Math.sign(compareGroups(right, left))]).toEqual([-1, 1]);
  });

  test.each<[string, Record<string, string>, string | undefined, Group | undefined]>([
    ['GitHub', { GITHUB_RUN_ID: '5', GITHUB_RUN_ATTEMPT: '2' }, undefined, { id: '5', attempt: 2 }],
    ['GitLab', { CI_PIPELINE_ID: '6', CI_JOB_ID: '77' }, undefined, { id: '6', attempt: 77 }],
    [
      'Buildkite',
      { BUILDKITE_BUILD_ID: 'f0', BUILDKITE_BUILD_NUMBER: '8', BUILDKITE_RETRY_COUNT: '0' },
      undefined,
      { id: 'f0', number: '8', attempt: 0 },
    ],
    ['Jenkins', { BUILD_TAG: 'jenkins-app-9' }, undefined, { id: 'jenkins-app-9' }],
    ['named', { GITHUB_RUN_ID: '5', GITHUB_RUN_ATTEMPT: '2' }, 'mine', { id: 'mine' }],
    ['named as the CI does', { GITHUB_RUN_ID: '5', GITHUB_RUN_ATTEMPT: '2' }, '5', { id: '5', attempt: 2 }],
    ['no build', {}, undefined, undefined],
  ])('the build of a job: %s', (_name, env, named, group) => {
    expect(groupOf(env, named)).toEqual(group);
  });
});

test.each([
  ['linux/amd64', /^mlist-[0-9a-f]{12}-linux-amd64-[0-9a-f]{8}$/],
  ['windows(10.0.20348.2402+win32k)/amd64', /^mlist-[0-9a-f]{12}-windows-amd64-[0-9a-f]{8}$/],
  [`linux/${'a'.repeat(300)}`, /^mlist-[0-9a-f]{12}-linux-a{93}-[0-9a-f]{8}$/],
])('the tag of a slot, case %#', (platform, pattern) => {
  expect(slotName('v'.repeat(128), platform)).toMatch(pattern);
  expect(slotName('v', platform).length).toBeLessThanOrEqual(128);
});
