import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { OciArchive } from '../../src/content/archive/oci-archive.ts';
import { TarFile } from '../../src/content/archive/tar-file.ts';
import { openLayout } from '../../src/content/layout/open.ts';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { chunksOf } from '../content/samples.ts';
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
import { putDocument, putInLayout } from '../support/layouts.ts';
import { answer, Front } from '../support/front.ts';
import { describeOnRegistries } from '../support/registries.ts';
import { World } from '../support/world.ts';

/** Copies between repositories, registries, layouts and archives: what arrives, and what is asked for on the way. */

const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64', variant: 'v8' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
  { os: 'linux', architecture: 'riscv64' },
  { os: 'linux', architecture: 's390x' },
];

/** Five images of two layers and a config, the first layer shared: 6 manifests and 11 blobs with their list. */
const shared = makeImage({ salt: 'base', kind: 'oci', layerBytes: 5000 }).blobs[1]!;
const images = platforms.map((platform, at) =>
  withSharedLayer(makeImage({ salt: `own ${at}`, kind: 'oci', platform })),
);
const list = makeIndex(
  images.map((image, at) => entryOf(image, platforms[at])),
  { annotations: { note: 'a list' }, 'x-unknown': { kept: true } },
);

/** The image with one more layer below, which all share. */
function withSharedLayer(image: Image): Image {
  const document = JSON.parse(image.bytes.toString()) as { layers: object[] };
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    size: shared.length,
    digest: sha256(shared),
  };
  const bytes = Buffer.from(JSON.stringify({ ...document, layers: [layer, ...document.layers] }));
  return { ...image, bytes, digest: sha256(bytes), blobs: [...image.blobs, shared] };
}

async function pushList(url: string, repository: string, tag: string): Promise<void> {
  for (const image of images) await pushImage(url, repository, undefined, image);
  await putManifest(url, repository, tag, list.mediaType, list.bytes);
}

interface Counted extends RunningRegistry {
  readonly requests: string[];
}

async function counted(): Promise<Counted> {
  const requests: string[] = [];
  const registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  return { ...registry, requests };
}

let registry: Counted;
let other: Counted;
beforeAll(async () => {
  [registry, other] = [await counted(), await counted()];
  await pushList(registry.url, 'team/app', 'v1');
});
afterAll(async () => {
  await registry.close();
  await other.close();
});
afterEach(() => {
  registry.requests.length = 0;
  other.requests.length = 0;
});

function requestsOf(work: Promise<unknown>): Promise<number> {
  registry.requests.length = 0;
  other.requests.length = 0;
  return work.then(() => registry.requests.length + other.requests.length);
}

async function blobsOf(url: string, repository: string, digest: string): Promise<readonly string[]> {
  const child = await getManifest(url, repository, digest);
  const { config, layers = [] } = JSON.parse(child!.bytes.toString()) as {
    config?: { digest: string };
    layers?: { digest: string }[];
  };
  return [...(config === undefined ? [] : [config]), ...layers].map((blob) => blob.digest);
}

/** All below a list is there, byte for byte. */
async function expectWhole(url: string, repository: string, name: string): Promise<void> {
  const served = await getManifest(url, repository, name);
  const { manifests } = JSON.parse(served!.bytes.toString()) as { manifests: { digest: string }[] };
  for (const { digest } of manifests) {
    expect((await getManifest(url, repository, digest))?.digest).toBe(digest);
    for (const blob of await blobsOf(url, repository, digest)) {
      const response = await fetch(`${url}/v2/${repository}/blobs/${blob}`);
      expect(sha256(Buffer.from(await response.arrayBuffer()))).toBe(blob);
    }
  }
}

let repositories = 0;
/** A repository that nothing was copied to yet. */
function fresh(): string {
  repositories += 1;
  return `team/copy${repositories}`;
}

describe('the requests of a copy', () => {
  test('of 6 manifests and 11 blobs within a registry: 24, and 2 when it is done again', async () => {
    const world = await World.make();
    const to = `${registry.host}/${fresh()}:v1`;
    const cold = await requestsOf(world.must('copy', `${registry.host}/team/app:v1`, to));
    expect(registry.requests.filter((line) => line.startsWith('POST'))).toHaveLength(11);
    expect(cold).toBeLessThanOrEqual(24);
    const again = world.run(['copy', `${registry.host}/team/app:v1`, to]);
    expect(await requestsOf(again)).toBe(2);
    expect(registry.requests.filter((line) => line.startsWith('GET'))).toEqual([]);
    expect((await again).stderr).toMatch(/^unchanged /m);
  });

  test('to a further tag of the same repository: 2', async () => {
    const world = await World.make();
    const from = `${registry.host}/team/app:v1`;
    for (const to of [`${registry.host}/team/app:v2`, `${registry.host}/team/app:v2`]) {
      expect(await requestsOf(world.must('copy', from, to))).toBe(2);
    }
    expect((await getManifest(registry.url, 'team/app', 'v2'))?.bytes).toEqual(list.bytes);
  });

  test('by digest, which is there already: 1', async () => {
    const world = await World.make();
    const [repository, from] = [fresh(), `${registry.host}/team/app@${list.digest}`];
    await world.must('copy', from, `${registry.host}/${repository}:v1`);
    expect(await requestsOf(world.must('copy', from, `${registry.host}/${repository}:v1`))).toBe(1);
  });

  test('of what a filter has made before: 2', async () => {
    const world = await World.make();
    const args = [
      'copy',
      `${registry.host}/team/app:v1`,
      `${registry.host}/${fresh()}:v1`,
      '--platform',
      'linux/arm64',
    ];
    await world.must(...args);
    expect(await requestsOf(world.must(...args))).toBe(2);
  });

  test('to another registry: the manifests once, each blob once, and what is there is not sent again', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`);
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(11);
    expect(registry.requests.filter((line) => line.includes('/manifests/'))).toHaveLength(6);
    const again = requestsOf(world.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`));
    expect(await again).toBe(2);
    await requestsOf(world.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v2`));
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toEqual([]);
    expect(other.requests.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
  });

  test('of a list that has changed a little: its other images are not sent again', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', `${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`);
    const changed = makeImage({ salt: 'changed', kind: 'oci' });
    await pushImage(registry.url, 'team/app', undefined, changed);
    const next = makeIndex([
      entryOf(changed, platforms[0]),
      ...images.slice(1).map((image, at) => entryOf(image, platforms[at + 1])),
    ]);
    await putManifest(registry.url, 'team/app', 'next', next.mediaType, next.bytes);
    await requestsOf(world.must('copy', `${registry.host}/team/app:next`, `${other.host}/${repository}:v1`));
    expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(2);
    expect(other.requests.filter((line) => line.startsWith('PUT') && line.includes('/manifests/'))).toHaveLength(2);
    await expectWhole(other.url, repository, 'v1');
  });
});

describeOnRegistries('a copy', (start) => {
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

  test('to another repository and to another registry is the same, byte for byte', async () => {
    const world = await World.make();
    for (const target of [from, to]) {
      const digest = await world.must('copy', `${from.host}/team/app:v1`, `${target.host}/else/where`);
      expect(digest).toBe(list.digest);
      expect((await getManifest(target.url, 'else/where', 'v1'))?.bytes).toEqual(list.bytes);
      await expectWhole(target.url, 'else/where', 'v1');
    }
  });

  test('with what refers to it, where the registry may not know', async () => {
    const world = await World.make();
    const subject = { mediaType: images[1]!.mediaType, digest: images[1]!.digest, size: images[1]!.bytes.length };
    const manifest = { subject, artifactType: 'application/x.sig' };
    const signature = makeImage({ salt: 'signature', kind: 'oci', manifest });
    await pushImage(from.url, 'team/app', undefined, signature);
    const listed = makeIndex([entryOf(signature, undefined, { artifactType: 'application/x.sig' })]);
    const tag = subject.digest.replace(':', '-');
    await putManifest(from.url, 'team/app', tag, listed.mediaType, listed.bytes);
    const [one, two] = [`${from.host}/team/app:v1`, `${to.host}/with/referrers:v1`];
    for (let times = 0; times < 2; times += 1) await world.must('copy', one, two, '--referrers');
    expect((await getManifest(to.url, 'with/referrers', signature.digest))?.bytes).toEqual(signature.bytes);
    const there = await getManifest(to.url, 'with/referrers', tag);
    const api = await fetch(`${to.url}/v2/with/referrers/referrers/${subject.digest}`);
    const found: unknown = api.ok ? await api.json() : JSON.parse(there!.bytes.toString());
    expect(found).toMatchObject({ manifests: [{ digest: signature.digest, artifactType: 'application/x.sig' }] });
  });

  test('of the images of some platforms is a list of its own', async () => {
    const world = await World.make();
    const filtered = await world.must(
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

describe('what arrives', () => {
  test('in a layout, an archive and back in a registry is the same', async () => {
    const world = await World.make();
    const from = `${registry.host}/team/app:v1`;
    const way = [from, 'oci:there', 'oci-archive:there.tar', 'oci:back:v1', `${other.host}/${fresh()}`];
    for (const [at, target] of way.entries()) {
      if (at === 0) continue;
      expect(await world.must('copy', way[at - 1]!, target)).toBe(list.digest);
    }
    expect(await world.must('digest', 'oci:there:v1')).toBe(list.digest);
    expect(await world.must('digest', 'oci-archive:there.tar:v1')).toBe(list.digest);
    await expectWhole(
      other.url,
      way
        .at(-1)!
        .split(':')
        .at(-1)!
        .replace(/^\d+\//, ''),
      'v1',
    );
  });

  test('in an archive has the same bytes, wherever it came from', async () => {
    const world = await World.make();
    const from = `${registry.host}/team/app:v1`;
    await world.must('copy', from, 'oci:layout');
    await world.must('copy', from, 'oci-archive:one.tar:docker.io/team/app:v1');
    await world.must('copy', 'oci:layout', 'oci-archive:two.tar:docker.io/team/app:v1');
    await world.must('copy', 'oci-archive:one.tar', 'oci-archive:three.tar:docker.io/team/app:v1');
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map((name) => readFile(join(world.folder, `${name}.tar`))),
    );
    expect([one!.equals(two!), one!.equals(three!)]).toEqual([true, true]);
  });

  test('of one platform is taken by docker load, under its own name', async () => {
    const world = await World.make();
    await world.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:arm.tar', '--platform', 'linux/arm64');
    const tar = await TarFile.open(join(world.folder, 'arm.tar'));
    const [item] = JSON.parse(Buffer.from((await tar.bytes('manifest.json', 10_000))!).toString()) as {
      RepoTags: string[];
      Config: string;
    }[];
    expect(item!.RepoTags).toEqual([`${registry.host}/team/app:v1`]);
    expect(JSON.parse(Buffer.from((await tar.bytes(item!.Config, 10_000))!).toString())).toMatchObject({
      architecture: 'arm64',
    });
    await tar.close();
    expect(await world.must('resolve', `docker-archive:arm.tar:${registry.host}/team/app:v1`)).toBe(images[1]!.digest);
  });

  test('from a docker archive is the image, with its layers as they are', async () => {
    const world = await World.make();
    await world.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:arm.tar', '--platform', 'linux/arm64');
    const repository = fresh();
    const digest = await world.must('copy', 'docker-archive:arm.tar', `${other.host}/${repository}`);
    expect(digest).toBe(images[1]!.digest);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(digest);
  });

  test('has the tag of the source where the target names none', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', `${registry.host}/team/app:v1`, `${registry.host}/${repository}`);
    await world.must('copy', `${registry.host}/team/app@${images[0]!.digest}`, `${registry.host}/${repository}`);
    const response = await fetch(`${registry.url}/v2/${repository}/tags/list`);
    expect(await response.json()).toMatchObject({ tags: ['v1'] });
    expect((await getManifest(registry.url, repository, images[0]!.digest))?.digest).toBe(images[0]!.digest);
  });

  test('is what the target’s digest says, or nothing', async () => {
    const world = await World.make();
    const repository = fresh();
    const from = `${registry.host}/team/app:v1`;
    const wrong = await world.run(['copy', from, `${registry.host}/${repository}:v1@${images[0]!.digest}`]);
    expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringMatching(/is to be sha256/)]);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    await world.must('copy', from, `${registry.host}/${repository}@${list.digest}`);
    expect((await getManifest(registry.url, repository, list.digest))?.digest).toBe(list.digest);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test('of lists in lists is all of it', async () => {
    const world = await World.make();
    const outer = makeIndex([
      { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length },
      entryOf(images[0]!, platforms[0]),
    ]);
    await putManifest(registry.url, 'team/app', 'nested', outer.mediaType, outer.bytes);
    const repository = fresh();
    await world.must('copy', `${registry.host}/team/app:nested`, `${other.host}/${repository}:v1`);
    expect((await getManifest(other.url, repository, 'v1'))?.digest).toBe(outer.digest);
    await expectWhole(other.url, repository, list.digest);
    await world.must('copy', `${other.host}/${repository}:v1`, 'oci-archive:nested.tar');
    const archive = await OciArchive.open(join(world.folder, 'nested.tar'));
    expect((await archive.fetchManifest(images[4]!.digest)).descriptor.digest).toBe(images[4]!.digest);
    await archive.close();
  });

  test('of an image of one platform only if it is that one', async () => {
    const world = await World.make();
    const from = `${registry.host}/team/app@${images[1]!.digest}`;
    expect(await world.must('copy', from, `${other.host}/${fresh()}:v1`, '--platform', 'linux/arm64')).toBe(
      images[1]!.digest,
    );
    const { code, stderr } = await world.run([
      'copy',
      from,
      `${other.host}/${fresh()}:v1`,
      '--platform',
      'linux/amd64',
    ]);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/no image for linux\/amd64[^]*There are: linux\/arm64\/v8/),
    ]);
  });
});

describe('a filter', () => {
  const attestation = (image: Image, salt: string): { image: Image; entry: object } => {
    const made = makeImage({ salt, kind: 'oci', platform: { os: 'unknown', architecture: 'unknown' } });
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.digest,
    };
    return { image: made, entry: entryOf(made, { os: 'unknown', architecture: 'unknown' }, { annotations }) };
  };
  const attested = [images[0]!, images[1]!].map((image, at) => attestation(image, `attestation ${at}`));
  const subject = { mediaType: images[4]!.mediaType, digest: images[4]!.digest, size: images[4]!.bytes.length };
  const whole = makeIndex(
    [
      entryOf(images[0]!, platforms[0], { 'x-entry': 1 }),
      entryOf(images[1]!, platforms[1]),
      ...attested.map(({ entry }) => entry),
    ],
    { artifactType: 'application/x.list', subject, annotations: { a: 'b' }, 'x-list': [1] },
  );
  beforeAll(async () => {
    for (const { image } of attested) await pushImage(registry.url, 'team/app', undefined, image);
    await putManifest(registry.url, 'team/app', 'attested', whole.mediaType, whole.bytes);
  });
  const from = (): string => `${registry.host}/team/app:attested`;
  const documentAt = async (repository: string): Promise<unknown> =>
    JSON.parse((await getManifest(registry.url, repository, 'v1'))!.bytes.toString());
  const original = JSON.parse(whole.bytes.toString()) as { manifests: object[] };

  test.each<[string, readonly string[], readonly number[]]>([
    ['by platform keeps what is attested of its image', ['--platform', 'linux/arm64'], [1, 3]],
    ['of attestations keeps the images', ['--attestations', 'drop'], [0, 1]],
    ['of both', ['--platform', 'linux/amd64', '--attestations', 'drop'], [0]],
  ])('%s, and all else that the list says', async (_, options, kept) => {
    const world = await World.make();
    const repository = fresh();
    const { stdout, stderr } = await world.run(['copy', from(), `${registry.host}/${repository}:v1`, ...options]);
    expect(await documentAt(repository)).toEqual({ ...original, manifests: kept.map((at) => original.manifests[at]) });
    expect(stderr).toContain(`what is left is another list: ${whole.digest} -> ${stdout.trim()}`);
    expect(stderr.match(/^left behind /gm)).toHaveLength(4 - kept.length);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('that leaves nothing out changes nothing', async () => {
    const world = await World.make();
    const options = ['--platform', 'linux/amd64,linux/arm64'];
    expect(await world.must('copy', from(), `${registry.host}/${fresh()}:v1`, ...options)).toBe(whole.digest);
    expect(
      await world.must(
        'copy',
        `${registry.host}/team/app:v1`,
        `${registry.host}/${fresh()}:v1`,
        '--attestations',
        'drop',
      ),
    ).toBe(list.digest);
  });

  test('for a platform that is not there ends with 4, and nothing is written', async () => {
    const world = await World.make();
    const repository = fresh();
    const { code, stderr } = await world.run([
      'copy',
      from(),
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/mips64le,linux/amd64',
    ]);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/no image for linux\/mips64le/)]);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test('in the same repository is one more list in it', async () => {
    const world = await World.make();
    const digest = await world.must('copy', from(), `${registry.host}/team/app:arm`, '--platform', 'linux/arm64');
    expect((await getManifest(registry.url, 'team/app', 'arm'))?.digest).toBe(digest);
  });

  test('gives the list that create gives', async () => {
    const world = await World.make();
    const list = `${registry.host}/team/app:made`;
    await world.must('create', list, from(), '--platform', 'linux/arm64');
    const digest = await world.must('digest', list);
    expect(await world.must('copy', from(), `${registry.host}/${fresh()}:v1`, '--platform', 'linux/arm64')).toBe(
      digest,
    );
  });

  test('of a Docker list gives a Docker list', async () => {
    const world = await World.make();
    const [one, two] = ['one', 'two'].map((salt, at) => makeImage({ salt, platform: platforms[at]! }));
    for (const image of [one!, two!]) await pushImage(registry.url, 'team/docker', undefined, image);
    const docker = makeIndex(
      [entryOf(one!, platforms[0]), entryOf(two!, platforms[1])],
      {},
      'application/vnd.docker.distribution.manifest.list.v2+json',
    );
    await putManifest(registry.url, 'team/docker', 'v1', docker.mediaType, docker.bytes);
    const repository = fresh();
    await world.must(
      'copy',
      `${registry.host}/team/docker:v1`,
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/amd64',
    );
    expect(await getManifest(registry.url, repository, 'v1')).toMatchObject({ mediaType: docker.mediaType });
  });

  test('reads images that their list says nothing of, and lists in the list', async () => {
    const world = await World.make();
    const nested = { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length };
    const silent = makeIndex([entryOf(images[0]!), entryOf(images[3]!), nested]);
    await putManifest(registry.url, 'team/app', 'silent', silent.mediaType, silent.bytes);
    const repository = fresh();
    await world.must(
      'copy',
      `${registry.host}/team/app:silent`,
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/s390x',
    );
    expect(await documentAt(repository)).toMatchObject({ manifests: [nested] });
  });

  test('lets a part of a list be taken from a layout that lacks the rest', async () => {
    const world = await World.make();
    const dir = join(world.folder, 'part');
    await putInLayout(dir, images[1]!);
    await putDocument(await openLayout(dir), list, 'v1');
    const missing = await world.run(['copy', 'oci:part:v1', `${registry.host}/${fresh()}:v1`]);
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringMatching(/is missing[^]*--platform/)]);
    const repository = fresh();
    await world.must('copy', 'oci:part:v1', `${registry.host}/${repository}:v1`, '--platform', 'linux/arm64');
    await expectWhole(registry.url, repository, 'v1');
  });
});

describe('a layer that is not to be distributed', () => {
  const far = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    size: 3,
    digest: sha256(Buffer.from('far')),
  };
  const windows = (layer: object): Image => {
    const options = { salt: 'windows', platform: { os: 'windows', architecture: 'amd64' } };
    const { layers } = JSON.parse(makeImage(options).bytes.toString()) as { layers: object[] };
    return makeImage({ ...options, manifest: { layers: [layer, ...layers] } });
  };
  const layoutOf = async (world: World, image: Image, more: readonly Buffer[] = []): Promise<void> => {
    const layout = await openLayout(join(world.folder, 'windows'), { create: true });
    for (const blob of [...image.blobs, ...more]) {
      await layout.putBlob({ mediaType: '', digest: sha256(blob) as never, size: blob.length }, () => chunksOf(blob));
    }
    await putDocument(layout, image, 'v1');
  };

  test('stays where its urls say, and that is said', async () => {
    const world = await World.make();
    await layoutOf(world, windows({ ...far, urls: ['https://example.com/far'] }));
    const copied = await world.json<{ left: object[] }>('copy', 'oci:windows', 'oci-archive:windows.tar');
    expect(copied.left).toEqual([{ what: 'layer', digest: far.digest, reason: 'it lies at https://example.com/far' }]);
  });

  test('comes along where it says of no other place', async () => {
    const world = await World.make();
    await layoutOf(world, windows(far), [Buffer.from('far')]);
    const repository = fresh();
    const copied = await world.json<{ left: object[] }>('copy', 'oci:windows', `${other.host}/${repository}`);
    expect(copied.left).toEqual([]);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${far.digest}`)).status).toBe(200);
  });
});

describe('from every place to every place', () => {
  const image = images[1]!;
  const sources = {
    'a registry': () => Promise.resolve(`${registry.host}/team/app:v1`),
    'a layout': async (world: World) => {
      await world.must('copy', `${registry.host}/team/app:v1`, 'oci:from:v1');
      return 'oci:from:v1';
    },
    'an OCI archive': async (world: World) => {
      await world.must('copy', `${registry.host}/team/app:v1`, 'oci-archive:from.tar:v1');
      return 'oci-archive:from.tar:v1';
    },
    'a docker archive': async (world: World) => {
      const from = `${registry.host}/team/app@${image.digest}`;
      await world.must('copy', from, 'oci-archive:docker.tar:docker.io/team/app:v1');
      return 'docker-archive:docker.tar:team/app:v1';
    },
  };
  const targets = {
    'the registry': () => `${registry.host}/${fresh()}:v1`,
    'another registry': () => `${other.host}/${fresh()}:v1`,
    'a layout': () => 'oci:to:v1',
    'an OCI archive': () => 'oci-archive:to.tar:v1',
    'itself, under another name': (from: string) => from.replace(/:[^:]*$/, ':v2'),
  };
  const pairs = Object.keys(sources).flatMap((from) => Object.keys(targets).map((to) => [from, to] as const));

  test.each(pairs.filter(([from, to]) => from !== 'a docker archive' || !to.startsWith('itself')))(
    'from %s to %s',
    async (from, to) => {
      const world = await World.make();
      const source = await sources[from as keyof typeof sources](world);
      const target = targets[to as keyof typeof targets](source);
      const digest = await world.must('copy', source, target);
      expect(digest).toBe(from === 'a docker archive' ? image.digest : list.digest);
      expect(await world.must('digest', target)).toBe(digest);
      expect(await world.must('digest', source)).toBe(digest);
      const again = await world.run(['copy', source, target]);
      expect([again.code, again.stdout.trim()]).toEqual([0, digest]);
      const repository = fresh();
      await world.must('copy', target, `${other.host}/${repository}:whole`);
      const served = await getManifest(other.url, repository, 'whole');
      expect(sha256(served!.bytes)).toBe(digest);
      if (digest === list.digest) await expectWhole(other.url, repository, 'whole');
    },
  );
});

describe('what is attached from outside', () => {
  /** A signature by subject of an image and of the list, one of that signature, and cosign's tags. */
  const describeOf = (served: Served): object => ({
    mediaType: served.mediaType,
    digest: served.digest,
    size: served.bytes.length,
  });
  const signatureOf = (served: Served, salt: string): Image =>
    makeImage({ salt, kind: 'oci', manifest: { subject: describeOf(served), artifactType: 'application/x.sig' } });
  const ofImage = signatureOf(images[1]!, 'of image');
  const ofList = signatureOf(list, 'of list');
  const ofSignature = signatureOf(ofImage, 'of signature');
  const cosigned = makeImage({ salt: 'cosign', kind: 'oci' });
  const cosignTag = `${images[0]!.digest.replace(':', '-')}.sig`;
  const fallback = (of: { digest: string }): string => of.digest.replace(':', '-');

  beforeAll(async () => {
    await pushList(registry.url, 'team/signed', 'v1');
    for (const image of [ofImage, ofList, ofSignature]) await pushImage(registry.url, 'team/signed', undefined, image);
    await pushImage(registry.url, 'team/signed', cosignTag, cosigned);
    for (const [of, by] of [
      [images[1]!, ofImage],
      [list, ofList],
      [ofImage, ofSignature],
    ] as const) {
      const index = makeIndex([entryOf(by, undefined, { artifactType: 'application/x.sig' })]);
      await putManifest(registry.url, 'team/signed', fallback(of), index.mediaType, index.bytes);
    }
  });

  const signed = (): string => `${registry.host}/team/signed:v1`;

  test('stays where it is unless it is asked for', async () => {
    const world = await World.make();
    const repository = fresh();
    const copied = await world.json<object>('copy', signed(), `${registry.host}/${repository}:v1`);
    expect(copied).not.toHaveProperty('referrers');
    expect(await getManifest(registry.url, repository, ofImage.digest)).toBeUndefined();
  });

  test('comes along: by subject, by the fallback tag, and by cosign’s tags, also of each image', async () => {
    const world = await World.make();
    const repository = fresh();
    const copied = await world.json<{ referrers: object[]; left: object[] }>(
      'copy',
      signed(),
      `${other.host}/${repository}:v1`,
      '--referrers',
    );
    expect(copied.left).toEqual([]);
    expect(copied.referrers).toHaveLength(4);
    expect(copied.referrers).toEqual(
      expect.arrayContaining([
        { subject: images[1]!.digest, digest: ofImage.digest },
        { subject: list.digest, digest: ofList.digest },
        { subject: ofImage.digest, digest: ofSignature.digest },
        { subject: images[0]!.digest, digest: cosigned.digest, tag: cosignTag },
      ]),
    );
    for (const image of [ofImage, ofList, ofSignature]) {
      expect((await getManifest(other.url, repository, image.digest))?.bytes).toEqual(image.bytes);
      for (const blob of image.blobs) {
        expect((await fetch(`${other.url}/v2/${repository}/blobs/${sha256(blob)}`)).status).toBe(200);
      }
    }
    expect((await getManifest(other.url, repository, cosignTag))?.digest).toBe(cosigned.digest);
    const api = await fetch(`${other.url}/v2/${repository}/referrers/${images[1]!.digest}`);
    expect(await api.json()).toMatchObject({
      manifests: [{ digest: ofImage.digest, artifactType: 'application/x.sig' }],
    });
    await expectWhole(other.url, repository, 'v1');
  });

  test('is there before the name of the list', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', signed(), `${other.host}/${repository}:v1`, '--referrers');
    const puts = other.requests.filter((line) => line.startsWith('PUT') && line.includes('/manifests/'));
    expect(puts.at(-1)).toBe(`PUT /v2/${repository}/manifests/v1`);
    expect(puts.some((line) => line.endsWith(cosignTag))).toBe(true);
  });

  /** The other registry as one that does not know the referrers API. */
  async function withoutApi(): Promise<Front> {
    const front = await Front.start({ upstream: other.url });
    front.on(/\/referrers\//, answer(404));
    return front;
  }

  test('is listed under the fallback tag of a registry that does not find it, beside what is listed there', async () => {
    const world = await World.make();
    const [repository, old] = [fresh(), await withoutApi()];
    const before = makeIndex([entryOf(cosigned, undefined, { artifactType: 'application/x.before' })], {
      annotations: { keep: 'me' },
    });
    await pushImage(other.url, repository, undefined, cosigned);
    await putManifest(other.url, repository, fallback(images[1]!), before.mediaType, before.bytes);
    for (let times = 0; times < 2; times += 1)
      await world.must('copy', signed(), `${old.host}/${repository}:v1`, '--referrers');
    const listed = JSON.parse(
      (await getManifest(other.url, repository, fallback(images[1]!)))!.bytes.toString(),
    ) as object;
    expect(listed).toMatchObject({
      annotations: { keep: 'me' },
      manifests: [{ digest: cosigned.digest }, { digest: ofImage.digest, artifactType: 'application/x.sig' }],
    });
    await old.close();
  });

  test('cannot be listed where the fallback tag is somebody’s image, and that is said', async () => {
    const world = await World.make();
    const [repository, old] = [fresh(), await withoutApi()];
    await pushImage(other.url, repository, fallback(images[1]!), cosigned);
    const copied = await world.json<{ left: object[] }>(
      'copy',
      signed(),
      `${old.host}/${repository}:v1`,
      '--referrers',
    );
    expect(copied.left).toEqual([
      { what: 'referrer', digest: ofImage.digest, reason: expect.stringMatching(/is no list of referrers/) },
    ]);
    expect((await getManifest(other.url, repository, fallback(images[1]!)))?.digest).toBe(cosigned.digest);
    await old.close();
  });

  test('takes the place of another signature there, and that is said', async () => {
    const world = await World.make();
    const repository = fresh();
    await pushImage(other.url, repository, cosignTag, makeImage({ salt: 'theirs', kind: 'oci' }));
    const { code, stderr } = await world.run(['copy', signed(), `${other.host}/${repository}:v1`, '--referrers']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/\.sig had sha256:\w+: it makes way/)]);
    expect((await getManifest(other.url, repository, cosignTag))?.digest).toBe(cosigned.digest);
  });

  test('lies in a layout and an archive, and comes back from there', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', signed(), 'oci:signed', '--referrers');
    await world.must('copy', 'oci:signed', 'oci-archive:signed.tar', '--referrers');
    expect(await world.must('digest', 'oci:signed')).toBe(list.digest);
    expect(await world.must('digest', 'oci-archive:signed.tar')).toBe(list.digest);
    await world.must('copy', 'oci-archive:signed.tar', `${other.host}/${repository}`, '--referrers');
    for (const image of [ofImage, ofList, ofSignature]) {
      expect((await getManifest(other.url, repository, image.digest))?.digest).toBe(image.digest);
    }
    expect((await getManifest(other.url, repository, cosignTag))?.digest).toBe(cosigned.digest);
  });

  test('of the whole list stays behind where a filter makes another one, and that is said', async () => {
    const world = await World.make();
    const repository = fresh();
    const options = ['--referrers', '--platform', 'linux/arm64'];
    const copied = await world.json<{ referrers: { digest: string }[]; left: { what: string; digest: string }[] }>(
      'copy',
      signed(),
      `${other.host}/${repository}:v1`,
      ...options,
    );
    expect(copied.referrers.map(({ digest }) => digest).sort()).toEqual([ofImage.digest, ofSignature.digest].sort());
    expect(copied.left.filter(({ what }) => what === 'referrer')).toMatchObject([{ digest: ofList.digest }]);
    expect(await getManifest(other.url, repository, ofList.digest)).toBeUndefined();
  });

  test('comes after a list that was copied without it', async () => {
    const world = await World.make();
    const repository = fresh();
    await world.must('copy', signed(), `${other.host}/${repository}:v1`);
    const copied = await world.json<{ status: string; moved: { manifests: number } }>(
      'copy',
      signed(),
      `${other.host}/${repository}:v1`,
      '--referrers',
    );
    expect(copied.status).toBe('unchanged');
    expect((await getManifest(other.url, repository, ofSignature.digest))?.digest).toBe(ofSignature.digest);
  });
});

describe('a target that has lost a part', () => {
  test('is mended with --force', async () => {
    const world = await World.make();
    const repository = fresh();
    const [from, to] = [`${registry.host}/team/app:v1`, `${other.host}/${repository}:v1`];
    await world.must('copy', from, to);
    const [layer] = await blobsOf(other.url, repository, images[0]!.digest);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${layer!}`, { method: 'DELETE' })).status).toBe(202);
    await world.must('copy', from, to);
    expect((await fetch(`${other.url}/v2/${repository}/blobs/${layer!}`)).status).toBe(404);
    await world.must('copy', from, to, '--force');
    await expectWhole(other.url, repository, 'v1');
  });

  test('and finds out when the list is refused, is sent everything', async () => {
    const world = await World.make();
    const isOld = (path: string): boolean => path.includes('/manifests/sha256:') || path.includes('/manifests/v1');
    // In front of an empty registry somebody says of every manifest that it is there: as one does that cleans up meanwhile.
    const empty = await startRegistry();
    const front = await Front.start({ upstream: empty.url });
    front.on(/^HEAD/, (exchange) => {
      const { path } = exchange.seen;
      const digest = path
        .split('/')
        .at(-1)!
        .replace(/^v1$/, sha256(Buffer.from('')));
      const headers = { 'content-type': list.mediaType, 'content-length': 10, 'docker-content-digest': digest };
      return isOld(path) ? answer(200, headers)(exchange) : exchange.pass();
    });
    const { code, stderr } = await world.run(['copy', `${registry.host}/team/app:v1`, `${front.host}/team/app:v1`]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/has lost a part of what it had: all is sent again/)]);
    await expectWhole(empty.url, 'team/app', 'v1');
    await front.close();
    await empty.close();
  });
});

describe('what goes wrong', () => {
  test('leaves no name and no file behind', async () => {
    const world = await World.make();
    const dir = join(world.folder, 'damaged');
    await putInLayout(dir, images[0]!, 'v1');
    const layout = await openLayout(dir);
    await layout.deleteBlob(sha256(images[0]!.blobs[1]!) as never);
    const repository = fresh();
    for (const target of [`${registry.host}/${repository}:v1`, 'oci-archive:damaged.tar']) {
      const { code, stderr } = await world.run(['copy', 'oci:damaged', target]);
      expect([code, stderr]).toEqual([4, expect.stringMatching(/there is no blob sha256/)]);
    }
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
    await expect(stat(join(world.folder, 'damaged.tar'))).rejects.toThrow();
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ['a source that is not there', ['none/app:v1', 'none/else:v1'], 4, /none\/app:v1/],
    ['a layout that is not there', ['oci:none', 'none/else:v1'], 4, /no OCI layout/],
  ])('%s', async (_, names, code, reason) => {
    const world = await World.make();
    const args = names.map((name) => (name.includes('none/') ? `${registry.host}/${name}` : name));
    const ran = await world.run(['copy', ...args]);
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringMatching(reason)]);
  });

  test('a target that can only be read', async () => {
    const world = await World.make();
    const { code, stderr } = await world.run(['copy', `${registry.host}/team/app:v1`, 'docker-archive:x.tar']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/can be read, but not written/)]);
  });
});
