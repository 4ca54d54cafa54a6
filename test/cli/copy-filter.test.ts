import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { putDocument, putInLayout } from '../support/layouts.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { expectWhole, fresh, images, list, platforms, registry, serveCopyImages } from '../support/copy-fixture.ts';

/** Copies of some platforms of a list. */
serveCopyImages();

describe('copy --platform', () => {
  const attestation = (image: Image, salt: string): { image: Image; entry: object } => {
    const created = makeImage({ salt, kind: 'oci', platform: { os: 'unknown', architecture: 'unknown' } });
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.digest,
    };
    return { image: created, entry: entryOf(created, { os: 'unknown', architecture: 'unknown' }, { annotations }) };
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
  ])('%s, and keeps all other fields of the list', async (_, options, positions) => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const { stdout, stderr } = await cli.run(['copy', from(), `${registry.host}/${repository}:v1`, ...options]);
    expect(await documentAt(repository)).toEqual({
      ...original,
      manifests: positions.map((at) => original.manifests[at]),
    });
    expect(stderr).toContain(`the filtered list has a new digest: ${whole.digest} -> ${stdout.trim()}`);
    expect(stderr.match(/^skipped /gm)).toHaveLength(4 - positions.length);
    await expectWhole(registry.url, repository, 'v1');
  });

  test('of all platforms changes nothing', async () => {
    const cli = await CliHarness.make();
    const options = ['--platform', 'linux/amd64,linux/arm64'];
    expect(await cli.must('copy', from(), `${registry.host}/${fresh()}:v1`, ...options)).toBe(whole.digest);
    expect(
      await cli.must(
        'copy',
        `${registry.host}/team/app:v1`,
        `${registry.host}/${fresh()}:v1`,
        '--attestations',
        'drop',
      ),
    ).toBe(list.digest);
  });

  test('for a missing platform exits with 4, and writes nothing', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const { code, stderr } = await cli.run([
      'copy',
      from(),
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/mips64le,linux/amd64',
    ]);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/no image for linux\/mips64le/)]);
    expect(await getManifest(registry.url, repository, 'v1')).toBeUndefined();
  });

  test('within the same repository writes another list', async () => {
    const cli = await CliHarness.make();
    const digest = await cli.must('copy', from(), `${registry.host}/team/app:arm`, '--platform', 'linux/arm64');
    expect((await getManifest(registry.url, 'team/app', 'arm'))?.digest).toBe(digest);
  });

  test.each<[string, (repository: string) => string]>([
    ['a registry', (repository) => `${registry.host}/${repository}`],
    ['a layout', () => 'oci:out'],
    ['an archive', () => 'oci-archive:out.tar'],
  ])('of a list by digest writes the filtered list by the digest of that, to %s', async (_, locationOf) => {
    const cli = await CliHarness.make();
    const target = locationOf(fresh());
    const args = ['copy', `${registry.host}/team/app@${whole.digest}`, target, '--platform', 'linux/arm64'];
    const { code, stdout, stderr } = await cli.run(args);
    const created = stdout.trim();
    expect(code).toBe(0);
    expect(created).not.toBe(whole.digest);
    expect(stderr).toContain(`manifest ${target}@${created}\n`);
    expect(stderr).not.toContain('pushed ');
    expect(await cli.must('digest', `${target}@${created}`)).toBe(created);
    expect((await cli.run(args)).stdout.trim()).toBe(created);
  });

  test('of a list by digest detects that the filtered list already exists', async () => {
    const cli = await CliHarness.make();
    const args = [`${registry.host}/team/app@${whole.digest}`, `${registry.host}/${fresh()}`];
    await cli.must('copy', ...args, '--platform', 'linux/arm64');
    const again = await cli.must('copy', ...args, '--platform', 'linux/arm64', '--json');
    expect(JSON.parse(again)).toMatchObject({ status: 'unchanged', moved: { manifests: 0 } });
  });

  test('writes the same list as create', async () => {
    const cli = await CliHarness.make();
    const list = `${registry.host}/team/app:made`;
    await cli.must('create', list, from(), '--platform', 'linux/arm64');
    const digest = await cli.must('digest', list);
    expect(await cli.must('copy', from(), `${registry.host}/${fresh()}:v1`, '--platform', 'linux/arm64')).toBe(digest);
  });

  test('of a Docker list writes a Docker list', async () => {
    const cli = await CliHarness.make();
    const [one, two] = ['one', 'two'].map((salt, at) => makeImage({ salt, platform: platforms[at]! }));
    for (const image of [one!, two!]) await pushImage(registry.url, 'team/docker', undefined, image);
    const docker = makeIndex(
      [entryOf(one!, platforms[0]), entryOf(two!, platforms[1])],
      {},
      'application/vnd.docker.distribution.manifest.list.v2+json',
    );
    await putManifest(registry.url, 'team/docker', 'v1', docker.mediaType, docker.bytes);
    const repository = fresh();
    await cli.must(
      'copy',
      `${registry.host}/team/docker:v1`,
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/amd64',
    );
    expect(await getManifest(registry.url, repository, 'v1')).toMatchObject({ mediaType: docker.mediaType });
  });

  test('reads images without a platform in the list, and nested lists', async () => {
    const cli = await CliHarness.make();
    const nested = { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length };
    const silent = makeIndex([entryOf(images[0]!), entryOf(images[3]!), nested]);
    await putManifest(registry.url, 'team/app', 'silent', silent.mediaType, silent.bytes);
    const repository = fresh();
    await cli.must(
      'copy',
      `${registry.host}/team/app:silent`,
      `${registry.host}/${repository}:v1`,
      '--platform',
      'linux/s390x',
    );
    expect(await documentAt(repository)).toMatchObject({ manifests: [nested] });
  });

  test('copies part of a list from a layout that lacks the rest', async () => {
    const cli = await CliHarness.make();
    const dir = join(cli.folder, 'part');
    await putInLayout(dir, images[1]!);
    await putDocument(await openLayout(dir), list, 'v1');
    const missing = await cli.run(['copy', 'oci:part:v1', `${registry.host}/${fresh()}:v1`]);
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringMatching(/images are missing[^]*--platform/)]);
    const repository = fresh();
    await cli.must('copy', 'oci:part:v1', `${registry.host}/${repository}:v1`, '--platform', 'linux/arm64');
    await expectWhole(registry.url, repository, 'v1');
  });
});
