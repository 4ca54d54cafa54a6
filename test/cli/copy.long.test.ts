import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, sha256 } from '../support/images.ts';
import { putInLayout } from '../support/layouts.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { expectFits } from '../support/schemas.ts';
import { describeOnFirstRegistry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';
import {
  blobsOf,
  expectWhole,
  fresh,
  images,
  list,
  other,
  platforms,
  pushList,
  registry,
  requestsOf,
  serveCopyImages,
} from '../support/copy-fixture.ts';

/** The requests of a copy, and its failures. */
serveCopyImages();

describe('the requests of a copy', () => {
  test('of 6 manifests and 11 blobs within a registry: 24, and 2 when repeated', async () => {
    const cli = await CliHarness.make();
    const to = `${registry.host}/${fresh()}:v1`;
    const cold = await requestsOf(cli.must('copy', `${registry.host}/team/app:v1`, to));
    expect(registry.requests.filter((line) => line.startsWith('POST'))).toHaveLength(11);
    expect(cold).toBeLessThanOrEqual(24);
    const again = cli.run(['copy', `${registry.host}/team/app:v1`, to]);
    expect(await requestsOf(again)).toBe(2);
    expect(registry.requests.filter((line) => line.startsWith('GET'))).toEqual([]);
    expect((await again).stderr).toMatch(/^unchanged /m);
  });

  test('another tag in the same repository: 3, and 2 when repeated', async () => {
    const cli = await CliHarness.make();
    const from = `${registry.host}/team/app:v1`;
    const to = `${registry.host}/team/app:v2`;
    const first = cli.run(['copy', from, to]);
    expect(await requestsOf(first)).toBe(3);
    expect((await first).stderr).toMatch(/^copied 1 manifest, 0 blobs: /m);
    expect(await requestsOf(cli.must('copy', from, to))).toBe(2);
    expect((await getManifest(registry.url, 'team/app', 'v2'))?.bytes).toEqual(list.bytes);
  });

  test('by digest, if the target already has it: 1', async () => {
    const cli = await CliHarness.make();
    const [repository, from] = [fresh(), `${registry.host}/team/app@${list.digest}`];
    await cli.must('copy', from, `${registry.host}/${repository}:v1`);
    expect(await requestsOf(cli.must('copy', from, `${registry.host}/${repository}:v1`))).toBe(1);
  });

  test('a filtered list that already exists: 2', async () => {
    const cli = await CliHarness.make();
    const args = [
      'copy',
      `${registry.host}/team/app:v1`,
      `${registry.host}/${fresh()}:v1`,
      '--platform',
      'linux/arm64',
    ];
    await cli.must(...args);
    expect(await requestsOf(cli.must(...args))).toBe(2);
  });

  test('to another registry: each manifest and each blob once, without those that exist', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`);
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(11);
    expect(registry.requests.filter((line) => line.includes('/manifests/'))).toHaveLength(6);
    const again = requestsOf(cli.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`));
    expect(await again).toBe(2);
    await requestsOf(cli.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v2`));
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toEqual([]);
    expect(other.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
  });

  test('a list with one changed image: the other images are not sent again', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`);
    const changed = makeImage({ salt: 'changed', kind: 'oci' });
    await pushImage(registry.url, 'team/app', undefined, changed);
    const next = makeIndex([
      entryOf(changed, platforms[0]),
      ...images.slice(1).map((image, at) => entryOf(image, platforms[at + 1])),
    ]);
    await putManifest(registry.url, 'team/app', 'next', next.mediaType, next.bytes);
    await requestsOf(cli.must('copy', `${registry.host}/team/app:next`, `${other.host}/${repository}:v1`));
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(2);
    expect(other.requests.filter((line) => line.startsWith('PUT') && line.includes('/manifests/'))).toHaveLength(2);
    await expectWhole(other.url, repository, 'v1');
  });
});

interface Copied {
  readonly status: string;
  readonly digest: string;
  readonly before?: string;
  readonly tags?: readonly { readonly ref: string; readonly status: string; readonly before?: string }[];
  readonly plan?: {
    readonly there: readonly { readonly digest: string }[];
    readonly blobs: readonly { readonly action: string; readonly digest: string }[];
    readonly manifests: readonly object[];
    readonly names: readonly string[];
  };
}

/** A copy with --json. The result fits the schema. */
async function copied(cli: CliHarness, ...args: readonly string[]): Promise<Copied> {
  const text = await cli.must('copy', ...args, '--json');
  expectFits('copy', text);
  return JSON.parse(text) as Copied;
}

const source = () => `${registry.host}/team/app:v1`;

describe('copy --dry-run', () => {
  const counts = ({ plan }: Copied) => [
    plan?.there.length,
    plan?.blobs.filter(({ action }) => action === 'mount').length,
    plan?.blobs.filter(({ action }) => action === 'upload').length,
    plan?.manifests.length,
  ];

  test('prints what would be mounted, uploaded and moved, and writes nothing', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const elsewhere = await copied(cli, source(), `${other.host}/${repository}:v1`, '--dry-run');
    expect(elsewhere).toMatchObject({
      status: 'planned',
      digest: list.digest,
      before: 'absent',
      plan: { names: ['v1'] },
    });
    expect(counts(elsewhere)).toEqual([0, 0, 11, 5]);
    const { stdout, stderr } = await cli.run(['copy', source(), `${registry.host}/${repository}:v1`, '--dry-run']);
    expect(stdout).toBe(`${list.digest}\n`);
    expect(stderr).toContain(`plan for ${registry.host}/${repository}:v1\n`);
    expect(stderr.match(/^ {2}mount .* from /gm)).toHaveLength(11);
    expect(stderr).toMatch(/^ {2}put {6}sha256:\w+ \d+ bytes, the list$/m);
    expect(stderr).toContain(`  tag      v1 -> ${list.digest}\n`);
    for (const { requests } of [registry, other])
      expect(requests.filter((line) => !/^(?:GET|HEAD) /.test(line))).toEqual([]);
  });

  test('finds what the target has: manifests, and blobs of those that it lacks', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await pushImage(other.url, repository, undefined, images[0]!);
    const plan = await copied(cli, source(), `${other.host}/${repository}:v1`, '--dry-run');
    // The image with its three blobs exists, one of which the others share.
    expect(counts(plan)).toEqual([2, 0, 8, 4]);
    await cli.must('copy', source(), `${other.host}/${repository}:old`);
    const again = await copied(cli, source(), `${other.host}/${repository}:old`, '--dry-run');
    expect([again.status, again.plan]).toEqual(['unchanged', undefined]);
    const moved = await copied(cli, source(), `${other.host}/${repository}:old`, '-t', ':new', '--dry-run');
    expect(moved).toMatchObject({ status: 'unchanged', tags: [{ status: 'planned', before: 'absent' }] });
    expect([counts(moved), moved.plan?.names]).toEqual([[0, 0, 0, 0], ['new']]);
  });

  test('to layouts and archives: creates no file', async () => {
    const cli = await CliHarness.make();
    for (const target of ['oci:made:v1', 'oci-archive:made.tar:v1', 'oci-archive:-']) {
      const { code, stdout, stderr } = await cli.run(['copy', source(), target, '--dry-run']);
      expect([target, code]).toEqual([target, 0]);
      expect(stdout + stderr).toContain(list.digest);
      expect(stderr.match(/^ {2}upload /gm)).toHaveLength(11);
    }
    expect((await readdir(cli.folder)).filter((name) => name.startsWith('made'))).toEqual([]);
  });

  test('the plan has the referrers and the platforms that would be copied', async () => {
    const cli = await CliHarness.make();
    const some = await copied(cli, source(), `${other.host}/${fresh()}:v1`, '--platform', 'linux/arm64', '--dry-run');
    expect(counts(some)).toEqual([0, 0, 3, 1]);
    const subject = { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length };
    const signature = makeImage({
      salt: 'planned',
      kind: 'oci',
      manifest: { subject, artifactType: 'application/x.sig' },
    });
    await pushImage(registry.url, 'team/app', undefined, signature);
    const all = await copied(cli, source(), `${other.host}/${fresh()}:v1`, '--referrers', '--dry-run');
    // The list is also put by its digest, since the signature refers to it.
    expect(counts(all)).toEqual([0, 0, 13, 7]);
    expect(all).toMatchObject({ referrers: [{ subject: list.digest, digest: signature.digest }] });
  });
});

describe('copy --tag', () => {
  test('writes all tags after the content, and only those that need it', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const to = `${other.host}/${repository}:v1`;
    const first = await copied(cli, source(), to, '-t', ':1', '-t', ':latest', '-t', ':v1');
    expect(first.tags).toEqual(
      ['1', 'latest'].map((tag) => ({ ref: `${other.host}/${repository}:${tag}`, status: 'copied', before: 'absent' })),
    );
    const puts = other.requests
      .filter((line) => /^PUT .*\/manifests\//.test(line))
      .map((line) => line.split('/').at(-1));
    expect(puts.slice(-3).sort()).toEqual(['1', 'latest', 'v1']);
    expect(puts).toHaveLength(8);
    for (const tag of ['v1', '1', 'latest'])
      expect((await getManifest(other.url, repository, tag))?.digest).toBe(list.digest);
    expect(await requestsOf(cli.must('copy', source(), to, '-t', ':1'))).toBe(3);
    const second = await copied(cli, source(), to, '-t', ':2');
    expect(second).toMatchObject({ status: 'unchanged', tags: [{ status: 'copied', before: 'absent' }] });
  });

  test('to a digest, within a repository, and to a layout and an archive', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', source(), `${other.host}/${repository}@${list.digest}`, '-t', ':v2');
    expect((await getManifest(other.url, repository, 'v2'))?.digest).toBe(list.digest);
    expect(await requestsOf(cli.must('copy', source(), `${registry.host}/team/app:w1`, '-t', ':w2'))).toBe(5);
    expect((await getManifest(registry.url, 'team/app', 'w2'))?.digest).toBe(list.digest);
    for (const target of ['oci:tagged', 'oci-archive:tagged.tar']) {
      await cli.must('copy', source(), `${target}:v1`, '-t', ':v2');
      expect(await cli.must('digest', `${target}:v2`)).toBe(list.digest);
    }
  });

  test.each([
    [['-t', 'latest'], /--tag takes :TAG, a tag at the target, not "latest"/],
    [['-t', 'other/app:v1'], /second "mlist copy"/],
    [['-t', ':'], /takes :TAG/],
    [['--if-digest', 'v1'], /--if-digest takes a digest or absent/],
  ])('refuses %j', async (args, message) => {
    const cli = await CliHarness.make();
    const result = await cli.run(['copy', source(), `${other.host}/${fresh()}:v1`, ...args]);
    expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test.each([
    [['-t', ':v2'], /leave out the additional tags/],
    [['--if-digest', 'absent'], /leave out the expected digest/],
  ])('an engine refuses %j', async (args, message) => {
    const cli = await CliHarness.make();
    const result = await cli.run(['copy', source(), 'docker-daemon:team/app:v1', ...args]);
    expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe('copy --if-digest', () => {
  test.each([[[]], [['--force']]])('moves only tags that have it, or already have the content: %j', async (flags) => {
    const cli = await CliHarness.make();
    const [repository, first] = [fresh(), images[0]!];
    const to = `${other.host}/${repository}:v1`;
    await pushImage(other.url, repository, 'v1', first);
    const refused = await cli.run(['copy', source(), to, '--if-digest', 'absent', ...flags]);
    expect([refused.code, refused.stderr]).toEqual([
      5,
      expect.stringContaining(`already exists and refers to ${first.digest}`),
    ]);
    const wrong = await cli.run(['copy', source(), to, '--if-digest', list.digest, ...flags]);
    expect([wrong.code, wrong.stderr]).toEqual([5, expect.stringContaining(`"--if-digest ${first.digest}"`)]);
    expect((await cli.run(['copy', source(), to, '-t', ':v2', '--if-digest', first.digest, ...flags])).code).toBe(5);
    expect(other.requests.filter((line) => /^(?:POST|PATCH) /.test(line))).toHaveLength(3);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(first.digest);
    await cli.must('copy', source(), to, '--if-digest', first.digest, ...flags);
    // Repeated, for example after a lost response.
    await cli.must('copy', source(), to, '--if-digest', first.digest, ...flags);
    await cli.must('copy', source(), to, '--if-digest', 'absent', ...flags);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(list.digest);
  });

  test('sends the condition with the tag, so that a move in the meantime is a conflict', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const proxy = await RecordingProxy.start({ upstream: other.url });
    await pushImage(other.url, repository, 'v1', images[0]!);
    proxy.on(/^PUT .*\/manifests\/v1/, async (exchange) => {
      await putManifest(other.url, repository, 'v1', images[1]!.mediaType, images[1]!.bytes).catch(() => undefined);
      return answer(412)(exchange);
    });
    await pushImage(other.url, repository, undefined, images[1]!);
    const args = ['copy', source(), `${proxy.host}/${repository}:v1`, '--if-digest', images[0]!.digest];
    const { code, stderr } = await cli.run(args);
    expect([code, stderr]).toEqual([5, expect.stringContaining('it has changed')]);
    const put = proxy.requests.find(({ method, path }) => method === 'PUT' && path.endsWith('/manifests/v1'));
    expect(put?.headers['if-match']).toContain(images[0]!.digest);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(images[1]!.digest);
    await proxy.close();
  });

  test('in the library, with tags', async () => {
    const client = createClient();
    const repository = fresh();
    const target = `${other.host}/${repository}:v1`;
    const result = await client.copy(source(), target, { tags: ['latest'], ifDigest: 'absent' });
    expect(result.tags).toEqual([
      { reference: `${other.host}/${repository}:latest`, status: 'copied', before: 'absent' },
    ]);
    const another = client.copy(`${registry.host}/team/app@${images[0]!.digest}`, target, { ifDigest: 'absent' });
    await expect(another).rejects.toMatchObject({ code: 'ERR_MLIST_CONFLICT' });
    await expect(client.copy(source(), target, { tags: [':x'] })).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    await client.close();
  });
});

describeOnFirstRegistry('a copy', (start) => {
  let from: Awaited<ReturnType<typeof start>>;
  let to: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    [from, to] = [await start(), await start()];
    await pushList(from.url, 'team/app', 'v1');
  });
  afterAll(async () => {
    await from.close();
    await to.close();
  });

  test('to another repository and to another registry: the same bytes', async () => {
    const cli = await CliHarness.make();
    for (const target of [from, to]) {
      const digest = await cli.must('copy', `${from.host}/team/app:v1`, `${target.host}/else/where`);
      expect(digest).toBe(list.digest);
      expect((await getManifest(target.url, 'else/where', 'v1'))?.bytes).toEqual(list.bytes);
      await expectWhole(target.url, 'else/where', 'v1');
    }
  });

  test('with a subject, if the registry may not support it', async () => {
    const cli = await CliHarness.make();
    const subject = { mediaType: images[1]!.mediaType, digest: images[1]!.digest, size: images[1]!.bytes.length };
    const manifest = { subject, artifactType: 'application/x.sig' };
    const signature = makeImage({ salt: 'signature', kind: 'oci', manifest });
    await pushImage(from.url, 'team/app', undefined, signature);
    const listed = makeIndex([entryOf(signature, undefined, { artifactType: 'application/x.sig' })]);
    const tag = subject.digest.replace(':', '-');
    await putManifest(from.url, 'team/app', tag, listed.mediaType, listed.bytes);
    const [one, two] = [`${from.host}/team/app:v1`, `${to.host}/with/referrers:v1`];
    for (let times = 0; times < 2; times += 1) await cli.must('copy', one, two, '--referrers');
    expect((await getManifest(to.url, 'with/referrers', signature.digest))?.bytes).toEqual(signature.bytes);
    const copied = await getManifest(to.url, 'with/referrers', tag);
    const api = await fetch(`${to.url}/v2/with/referrers/referrers/${subject.digest}`);
    const found: unknown = api.ok ? await api.json() : JSON.parse(copied!.bytes.toString());
    expect(found).toMatchObject({ manifests: [{ digest: signature.digest, artifactType: 'application/x.sig' }] });
  });

  test('of the images for some platforms: a list with its own digest', async () => {
    const cli = await CliHarness.make();
    const filtered = await cli.must(
      'copy',
      `${from.host}/team/app:v1`,
      `${to.host}/some:v1`,
      '--platform',
      'linux/arm64,linux/arm/v7',
    );
    expect(filtered).not.toBe(list.digest);
    await expectWhole(to.url, 'some', 'v1');
    const document = JSON.parse((await getManifest(to.url, 'some', 'v1'))!.bytes.toString()) as object;
    expect(document).toEqual({
      ...(JSON.parse(list.bytes.toString()) as object),
      manifests: [1, 2].map((at) => entryOf(images[at]!, platforms[at])),
    });
  });
});

describe('a target that has lost content', () => {
  test('is repaired with --force', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const [from, to] = [`${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`];
    await cli.must('copy', from, to);
    const [layer] = await blobsOf(other.url, repository, images[0]!.digest);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${layer!}`, { method: 'DELETE' })).status).toBe(202);
    await cli.must('copy', from, to);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${layer!}`)).status).toBe(404);
    await cli.must('copy', from, to, '--force');
    await expectWhole(other.url, repository, 'v1');
  });

  test('gets everything again if it refuses the list', async () => {
    const cli = await CliHarness.make();
    const isOld = (path: string): boolean => path.includes('/manifests/sha256:') || path.includes('/manifests/v1');
    // A proxy reports every manifest of an empty registry as existing, like a registry that deletes content in the meantime.
    const empty = await startRegistry();
    const proxy = await RecordingProxy.start({ upstream: empty.url });
    proxy.on(/^HEAD/, (exchange) => {
      const { path } = exchange.seen;
      const digest = path
        .split('/')
        .at(-1)!
        .replace(/^v1$/, sha256(Buffer.from('')));
      const headers = { 'content-type': list.mediaType, 'content-length': 10, 'docker-content-digest': digest };
      return isOld(path) ? answer(200, headers)(exchange) : exchange.pass();
    });
    const { code, stderr } = await cli.run(['copy', `${registry.host}/team/app:v1`, `${proxy.host}/team/app:v1`]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/has lost content that the copy relied on: sending it again/),
    ]);
    await expectWhole(empty.url, 'team/app', 'v1');
    await proxy.close();
    await empty.close();
  });
});

describe('failures', () => {
  test('leave no tag and no file', async () => {
    const cli = await CliHarness.make();
    const dir = join(cli.folder, 'damaged');
    await putInLayout(dir, images[0]!, 'v1');
    const layout = await openLayout(dir);
    await layout.deleteBlob(sha256(images[0]!.blobs[1]!) as never);
    const repository = fresh();
    for (const target of [`${registry.host}/${repository}:v1`, 'oci-archive:damaged.tar']) {
      const { code, stderr } = await cli.run(['copy', 'oci:damaged', target]);
      expect([code, stderr]).toEqual([4, expect.stringMatching(/there is no blob sha256:\w+ in oci:damaged$/m)]);
    }
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    await expect(stat(join(cli.folder, 'damaged.tar'))).rejects.toThrow();
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ['a source that is not there', ['none/app:v1', 'none/else:v1'], 4, /none\/app:v1/],
    ['a layout that is not there', ['oci:none', 'none/else:v1'], 4, /not an OCI layout/],
  ])('%s', async (_, names, code, reason) => {
    const cli = await CliHarness.make();
    const args = names.map((name) => (name.includes('none/') ? `${registry.host}/${name}` : name));
    const result = await cli.run(['copy', ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(reason)]);
  });

  test('a read-only target', async () => {
    const cli = await CliHarness.make();
    const { code, stderr } = await cli.run(['copy', `${registry.host}/team/app:v1`, 'docker-archive:x.tar']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/docker archives can only be read/)]);
  });
});
