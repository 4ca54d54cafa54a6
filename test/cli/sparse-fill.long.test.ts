import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { attestationEntry } from '../support/buildx.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { expectWhole, fresh, registry, serveCopyImages } from '../support/copy-fixture.ts';
import {
  entryOf,
  getManifest,
  makeImage,
  makeIndex,
  pushImage,
  putManifest,
  sha256,
  type Image,
  type Served,
} from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { writeSaved, writeSavedArchive, type SavedIndex } from '../support/layouts.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';

/** `--missing fill`: what an archive lacks is read from the registry that its content came from. */
serveCopyImages();

const imageFor = (architecture: string): Image =>
  makeImage({ kind: 'oci', salt: `fill ${architecture}`, platform: { os: 'linux', architecture } });
const [amd64, arm64, s390x] = ['amd64', 'arm64', 's390x'].map(imageFor) as [Image, Image, Image];
const attestation = makeImage({ kind: 'oci', salt: 'fill', platform: { os: 'unknown', architecture: 'unknown' } });
const entries = [amd64, arm64, s390x].map((image, at) =>
  entryOf(image, { os: 'linux', architecture: ['amd64', 'arm64', 's390x'][at]! }),
);
const index = makeIndex([...entries, attestationEntry(attestation, amd64)], { annotations: { kept: 'yes' } });
const entryOfIndex = ({ mediaType, digest, bytes }: Served) => ({ mediaType, digest, size: bytes.length });
const inner = makeIndex(entries.slice(1));
const nested = makeIndex([entries[0]!, entryOfIndex(inner)]);
const layerOf = (image: Image): string => sha256(image.blobs[1]!);

let origin: RecordingProxy;
let cli: CliHarness;

/** The names that containerd records for content of the origin. */
function namesOf(repository: string, host = origin.host): Readonly<Record<string, string>> {
  return {
    [`containerd.io/distribution.source.${host.replace(/:\d+$/, '')}`]: repository,
    'io.containerd.image.name': `${host}/${repository}:v1`,
    'org.opencontainers.image.ref.name': 'v1',
  };
}

beforeAll(async () => {
  cli = await CliHarness.make();
  origin = await RecordingProxy.start({ upstream: registry.url });
  for (const image of [amd64, arm64, s390x, attestation]) await pushImage(registry.url, 'origin/app', undefined, image);
  for (const [name, list] of Object.entries({ v1: index, inner, nested }))
    await putManifest(registry.url, 'origin/app', name, list.mediaType, list.bytes);
});
afterAll(() => origin.close());
beforeEach(() => {
  origin.requests.length = 0;
});

let saves = 0;
/** Writes an archive, and returns its location. */
async function saved(content: Partial<SavedIndex> = {}, name?: string): Promise<string> {
  saves += 1;
  const file = `saved${saves}.tar`;
  const annotations = [namesOf(name ?? 'origin/app')];
  await writeSavedArchive(join(cli.folder, file), { index, content: [amd64], annotations, ...content });
  return `oci-archive:${file}`;
}

async function spec(text: object): Promise<string> {
  const path = join(cli.folder, `${fresh().replace('/', '-')}.json`);
  await writeFile(path, JSON.stringify(text));
  return path;
}

/** The requests that the origin got for manifests, as `METHOD DIGEST`. */
function manifestRequests(): readonly string[] {
  return origin.requests
    .filter(({ path }) => path.startsWith('/v2/origin/app/manifests/'))
    .map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)
    .sort();
}

const digestAt = async (repository: string): Promise<string | undefined> =>
  (await getManifest(registry.url, repository, 'v1'))?.digest;

const fill = ['--missing', 'fill'];

/** @param missing - undefined: without the setting */
type LineOf = (source: string, target: string, missing: 'fill' | undefined) => Promise<readonly string[]>;
const optionOf = (missing: string | undefined): readonly string[] =>
  missing === undefined ? [] : ['--missing', missing];
const commands: readonly (readonly [string, LineOf])[] = [
  ['copy', (source, target, missing) => Promise.resolve(['copy', source, target, ...optionOf(missing)])],
  [
    'create --push',
    (source, target, missing) => Promise.resolve(['create', target, source, '--push', ...optionOf(missing)]),
  ],
  ['join', (source, target, missing) => Promise.resolve(['join', target, source, ...optionOf(missing)])],
  [
    'apply',
    async (source, target, missing) => ['apply', '-f', await spec({ list: target, missing, manifests: [source] })],
  ],
  [
    'apply of a copy',
    async (source, target, missing) => ['apply', '-f', await spec({ list: target, missing, copy: source })],
  ],
];

/** A target at another registry than the origin, whose host the command line names nevertheless. */
const targetOf = (repository: string): string => `${origin.host}/${repository}:v1`;

describe.each(casesOf(commands, 3))('%s', (command, commandLine) => {
  const lineOf = (source: string, target: string) => commandLine(source, target, 'fill');

  test('completes images and attestations from the registry that the archive names', async () => {
    const repository = fresh();
    const { code, stderr } = await cli.run(await lineOf(await saved(), targetOf(repository)));
    expect([code, stderr]).toEqual([0, expect.stringContaining(`filled image linux/arm64`)]);
    expect(stderr).toMatch(new RegExp(`searching ${origin.host}/origin/app for content that \\S+ does not have\n`));
    expect(stderr.match(/searching/g)).toHaveLength(1);
    expect(stderr).toMatch(/filled image linux\/s390x [^]*filled attestation/);
    if (command !== 'join' && command !== 'apply') expect(await digestAt(repository)).toBe(index.digest);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('needs one HEAD and one GET for each missing manifest', async () => {
    const missing = [arm64, s390x, attestation].map(({ digest }) => digest);
    await cli.must(...(await lineOf(await saved(), targetOf(fresh()))));
    const expected = ['GET', 'HEAD'].flatMap((method) => missing.map((digest) => `${method} ${digest}`));
    expect(manifestRequests()).toEqual([...expected].sort());
  });

  test('completes a layer', async () => {
    const repository = fresh();
    const source = await saved({ content: [amd64, arm64, s390x, attestation], without: [layerOf(arm64)] });
    const { code, stderr } = await cli.run(await lineOf(source, targetOf(repository)));
    expect([code, stderr]).toEqual([0, expect.stringMatching(/filled layer /)]);
    expect(manifestRequests()).toEqual([]);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('completes an attestation alone', async () => {
    const repository = fresh();
    await cli.must(...(await lineOf(await saved({ content: [amd64, arm64, s390x] }), targetOf(repository))));
    expect(manifestRequests()).toEqual([`GET ${attestation.digest}`, `HEAD ${attestation.digest}`]);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('reports what the origin lacks, and writes nothing', async () => {
    origin.on(new RegExp(`/origin/app/manifests/${arm64.digest}$`), answer(404));
    const repository = fresh();
    const { code, stderr } = await cli.run(await lineOf(await saved(), targetOf(repository)));
    expect(code).toBe(4);
    expect(stderr).toMatch(/images are missing from oci-archive:saved\S+: linux\/arm64 \(sha256:\w+\)\n/);
    expect(stderr).toContain(`${origin.host}/origin/app (not found)`);
    expect(await digestAt(repository)).toBeUndefined();
    origin.removeRules();
  });

  test('asks nothing of the origin without --missing fill', async () => {
    const line = await commandLine(await saved(), `${registry.host}/${fresh()}:v1`, undefined);
    const { code } = await cli.run(line);
    expect([code, origin.requests]).toEqual([4, []]);
  });
});

describe('a nested index', () => {
  test.each([
    ['that is missing', [amd64]],
    ['whose images are missing', [amd64, inner]],
  ])('%s is completed', async (_name, content) => {
    const repository = fresh();
    await cli.must('copy', await saved({ index: nested, content }), targetOf(repository), ...fill);
    expect(await digestAt(repository)).toBe(nested.digest);
    for (const { digest } of [inner, arm64, s390x])
      expect((await getManifest(registry.url, repository, digest))?.digest).toBe(digest);
  });
});

describe('origins', () => {
  test('a blob of an origin in the target registry is mounted', async () => {
    const target = targetOf(fresh());
    const result = await cli.json<{ moved: object; filled: object[] }>('copy', await saved(), target, ...fill);
    expect(result.moved).toMatchObject({ mounted: 6, uploaded: 2 });
    expect(result.filled).toContainEqual({
      what: 'image',
      digest: arm64.digest,
      platform: 'linux/arm64',
      platformObject: { architecture: 'arm64', os: 'linux' },
      source: `${origin.host}/origin/app`,
    });
  });

  test('--fill-from replaces those that the archive names, in its order', async () => {
    await pushImage(registry.url, 'mirror/app', undefined, arm64);
    const repository = fresh();
    const source = await saved({}, 'wrong/app');
    const from = ['mirror/app:any', 'origin/app'].flatMap((name) => ['--fill-from', `${origin.host}/${name}`]);
    const { code, stderr } = await cli.run(['copy', source, `${registry.host}/${repository}:v1`, ...fill, ...from]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/linux\/arm64 \S+ from \S+mirror\/app\n/)]);
    expect(stderr).toMatch(/linux\/s390x \S+ from \S+origin\/app\n/);
    expect(origin.requests.filter(({ path }) => path.includes('wrong'))).toEqual([]);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('--fill-from accepts a layout', async () => {
    await writeSaved(join(cli.folder, 'whole'), { index, content: [amd64, arm64, s390x, attestation] });
    const repository = fresh();
    const line = ['copy', await saved(), `${registry.host}/${repository}:v1`, ...fill, '--fill-from', 'oci:whole'];
    expect(await cli.must(...line)).toBe(index.digest);
    expect(origin.requests).toEqual([]);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('a draft records them, and its push needs no option', async () => {
    const [name, repository] = [fresh(), fresh()];
    const source = await saved();
    const created = await cli.json<{ entries: { fill?: string[]; source: string }[] }>(
      ...['create', targetOf(name), source, ...fill],
    );
    const place = `${origin.host}/origin/app`;
    expect(created.entries.map((entry) => [entry.source, entry.fill])).toEqual([
      [source, undefined],
      [source, [place]],
      [source, [place]],
      [source, [place]],
    ]);
    expect(manifestRequests().every((request) => request.startsWith('HEAD'))).toBe(true);
    expect(await cli.must('push', targetOf(name), '--to', targetOf(repository))).toBe(index.digest);
    await expectWhole(registry.url, repository, 'v1');
    const exported = await spec(
      JSON.parse(await cli.must('export', targetOf(name), '--as', targetOf(fresh()), '--json')) as object,
    );
    const applied = await cli.json<{ lists: { digest: string }[] }>('apply', '-f', exported);
    expect(applied.lists.map(({ digest }) => digest)).toEqual([index.digest]);
    expect(await cli.run(['create', '--amend', targetOf(name)])).toMatchObject({ code: 4 });
    await cli.must('create', '--amend', targetOf(name), ...fill);
    await cli.must('validate', '--deep', targetOf(name));
  });

  test.each([
    ['the name localhost', { 'containerd.io/distribution.source.localhost': 'team/app' }],
    ['a private address', { 'containerd.io/distribution.source.10.1.2.3': 'team/app' }],
    ['this machine in another form', { 'io.containerd.image.name': '127.1:5000/team/app:v1' }],
    ['a link-local address', { 'org.opencontainers.image.ref.name': '169.254.169.254/team/app:v1' }],
  ])('an internal host that only the archive names is not asked: %s', async (_name, annotations) => {
    const source = await saved({ annotations: [annotations] });
    const { code, stderr } = await cli.run(['copy', source, 'oci:never', ...fill]);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/does not read from this repository[^]*--fill-from \S+\/team\/app/),
    ]);
  });

  test('an archive without names needs --fill-from', async () => {
    const { code, stderr } = await cli.run(['copy', await saved({ annotations: [{}] }), 'oci:never', ...fill]);
    expect([code, stderr]).toEqual([4, expect.stringContaining('with --fill-from')]);
  });

  test('contradictory names are asked one after another', async () => {
    const annotations = [namesOf('other/app'), namesOf('origin/app')];
    const repository = fresh();
    await cli.must('copy', await saved({ annotations }), targetOf(repository), ...fill);
    await expectWhole(registry.url, repository, 'v1');
    const others = origin.requests.filter(({ path }) => path.includes('/other/app/'));
    expect(others.map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'HEAD']);
  });
});

describe('an origin that fails', () => {
  const copyTo = async (source: string): Promise<{ code: number; stderr: string }> =>
    cli.run(['copy', source, targetOf(fresh()), ...fill, '--retries', '0']);

  test('that is down is named, and another one is asked', async () => {
    const down = await RecordingProxy.start();
    const { host } = down;
    await down.close();
    const from = ['--fill-from', `${host}/origin/app`];
    const line = ['copy', await saved(), targetOf(fresh()), ...fill, '--retries', '0', ...from];
    const { code, stderr } = await cli.run(line);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(new RegExp(`Tried: ${host}/origin/app \\(.*refused the connection`)),
    ]);
    await cli.must(...line, '--fill-from', `${origin.host}/origin/app`);
  });

  test('that needs a login is named', async () => {
    origin.on(/\/origin\/app\//, answer(401, { 'www-authenticate': 'Basic realm="origin"' }));
    const { code, stderr } = await copyTo(await saved());
    origin.removeRules();
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/Tried: \S+\/origin\/app \(.*(?:401|login|credentials)/i),
    ]);
  });

  test('that has other content under the tag is asked by digest', async () => {
    await putManifest(registry.url, 'moved/app', 'v1', amd64.mediaType, (await pushed('moved/app', amd64)).bytes);
    const { code, stderr } = await copyTo(await saved({}, 'moved/app'));
    expect([code, stderr]).toEqual([4, expect.stringContaining('moved/app (not found)')]);
  });

  test('that states another size is not used', async () => {
    origin.on(new RegExp(`^HEAD /v2/origin/app/manifests/${arm64.digest}$`), ({ response }) => {
      response.writeHead(200, {
        'content-type': arm64.mediaType,
        'content-length': '7',
        'docker-content-digest': arm64.digest,
      });
      response.end();
    });
    const { code, stderr } = await copyTo(await saved());
    origin.removeRules();
    expect([code, stderr]).toEqual([4, expect.stringMatching(/has 7 bytes, but its descriptor states/)]);
  });

  test('that serves other bytes is an error', async () => {
    origin.on(new RegExp(`^GET /v2/origin/app/manifests/${arm64.digest}$`), ({ response }) => {
      response.writeHead(200, { 'content-type': arm64.mediaType });
      response.end(s390x.bytes);
    });
    const { code } = await copyTo(await saved());
    origin.removeRules();
    expect(code).not.toBe(0);
  });

  async function pushed(repository: string, image: Image): Promise<Image> {
    await pushImage(registry.url, repository, undefined, image);
    return image;
  }
});

describe('within one location', () => {
  test('a layout is completed', async () => {
    await writeSaved(join(cli.folder, 'own'), { index, content: [amd64], annotations: [namesOf('origin/app')] });
    const from = ['--fill-from', `${origin.host}/origin/app`];
    expect(await cli.must('copy', 'oci:own:v1', 'oci:own:v2', ...fill, ...from)).toBe(index.digest);
    await cli.must('validate', '--deep', 'oci:own:v2');
  });

  test('a repository is completed', async () => {
    const sparse = await RecordingProxy.start({ upstream: registry.url });
    await putManifest(registry.url, 'origin/app', 'again', index.mediaType, index.bytes);
    sparse.on(new RegExp(`/origin/app/(manifests|blobs)/${arm64.digest}$`), answer(404), 2);
    const from = ['--fill-from', `${origin.host}/origin/app`];
    const line = ['copy', `${sparse.host}/origin/app:again`, `${sparse.host}/origin/app:other`, ...fill, ...from];
    const { code, stderr } = await cli.run(line);
    await sparse.close();
    expect([code, stderr]).toEqual([0, expect.stringContaining('filled image linux/arm64')]);
  });
});

describe('the library', () => {
  test('fills with `missing` and `fillFrom`', async () => {
    const archive = `oci-archive:${join(cli.folder, (await saved()).replace('oci-archive:', ''))}`;
    const fillFrom = [`${origin.host}/origin/app`];
    const client = createClient();
    const [created, copied] = [fresh(), fresh()];
    const list = await client.createIndex([archive], { missing: 'fill', fillFrom });
    await client.pushIndex(list, `${registry.host}/${created}:v1`);
    const result = await client.copy(archive, `${registry.host}/${copied}:v1`, { missing: 'fill', fillFrom });
    expect([list.descriptor.digest, result.descriptor.digest]).toEqual([index.digest, index.digest]);
    expect(result.filled?.map(({ what }) => what)).toEqual(['image', 'image', 'attestation']);
    for (const repository of [created, copied]) await expectWhole(registry.url, repository, 'v1');
    await expect(client.copy(archive, 'oci:never', { fillFrom })).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    await client.close();
  });
});

describe('usage', () => {
  test.each([
    ['copy', ['copy', 'oci:a', 'oci:b', '--fill-from', 'x/y']],
    ['create', ['create', 'x/y', 'oci:a', '--missing', 'skip', '--fill-from', 'x/y']],
  ])('--fill-from needs --missing fill (%s)', async (_command, line) => {
    expect(await cli.run(line)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs --missing fill') });
  });

  test('a spec names the sources of missing content', async () => {
    const repository = fresh();
    const list = {
      list: `${registry.host}/${repository}:v1`,
      missing: 'fill',
      copy: await saved({ annotations: [{}] }),
    };
    await cli.must('apply', '-f', await spec({ ...list, fillFrom: [`${origin.host}/origin/app`] }));
    expect(await digestAt(repository)).toBe(index.digest);
    const wrong = await cli.run(['apply', '-f', await spec({ ...list, missing: 'skip', fillFrom: ['x/y'] })]);
    expect([wrong.code, wrong.stderr + wrong.stdout]).toEqual([3, expect.stringContaining('missing: fill')]);
  });
});
