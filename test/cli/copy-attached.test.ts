import { beforeAll, describe, expect, test } from '@jest/globals';
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
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { CliHarness } from '../support/cli-harness.ts';
import {
  expectWhole,
  fresh,
  images,
  list,
  other,
  pushList,
  registry,
  serveCopyImages,
} from '../support/copy-fixture.ts';

/** Copies of a list with its referrers. */
serveCopyImages();

describe('referrers', () => {
  /** Signatures by subject of an image, of the list and of a signature, and tags of cosign. */
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

  test('are not copied without --referrers', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const copied = await cli.json<object>('copy', signed(), `${registry.host}/${repository}:v1`);
    expect(copied).not.toHaveProperty('referrers');
    expect(await getManifest(registry.url, repository, ofImage.digest)).toBeUndefined();
  });

  test('are copied by subject, by the fallback tag, and by the tags of cosign, also those of each image', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const copied = await cli.json<{ referrers: object[]; left: object[] }>(
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

  test('are copied before the tag of the list', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', signed(), `${other.host}/${repository}:v1`, '--referrers');
    const puts = other.requests.filter((line) => line.startsWith('PUT') && line.includes('/manifests/'));
    expect(puts.at(-1)).toBe(`PUT /v2/${repository}/manifests/v1`);
    expect(puts.some((line) => line.endsWith(cosignTag))).toBe(true);
  });

  /** The other registry, without the referrers API. */
  async function withoutApi(): Promise<RecordingProxy> {
    const proxy = await RecordingProxy.start({ upstream: other.url });
    proxy.on(/\/referrers\//, answer(404));
    return proxy;
  }

  test('are added to the fallback tag of a registry without the referrers API', async () => {
    const cli = await CliHarness.make();
    const [repository, old] = [fresh(), await withoutApi()];
    const before = makeIndex([entryOf(cosigned, undefined, { artifactType: 'application/x.before' })], {
      annotations: { keep: 'me' },
    });
    await pushImage(other.url, repository, undefined, cosigned);
    await putManifest(other.url, repository, fallback(images[1]!), before.mediaType, before.bytes);
    for (let times = 0; times < 2; times += 1)
      await cli.must('copy', signed(), `${old.host}/${repository}:v1`, '--referrers');
    const listed = JSON.parse(
      (await getManifest(other.url, repository, fallback(images[1]!)))!.bytes.toString(),
    ) as object;
    expect(listed).toMatchObject({
      annotations: { keep: 'me' },
      manifests: [{ digest: cosigned.digest }, { digest: ofImage.digest, artifactType: 'application/x.sig' }],
    });
    await old.close();
  });

  test('are not listed if the fallback tag is an image, with a warning', async () => {
    const cli = await CliHarness.make();
    const [repository, old] = [fresh(), await withoutApi()];
    await pushImage(other.url, repository, fallback(images[1]!), cosigned);
    const copied = await cli.json<{ left: object[] }>('copy', signed(), `${old.host}/${repository}:v1`, '--referrers');
    expect(copied.left).toEqual([
      {
        what: 'referrer',
        digest: ofImage.digest,
        reason: expect.stringMatching(/does not refer to an OCI image index/),
      },
    ]);
    expect((await getManifest(other.url, repository, fallback(images[1]!)))?.digest).toBe(cosigned.digest);
    await old.close();
  });

  test('are copied to a target that refuses all reads, but not listed there', async () => {
    const cli = await CliHarness.make();
    const [repository, proxy] = [fresh(), await RecordingProxy.start({ upstream: other.url })];
    proxy.on(/^(?:HEAD|GET) /, answer(403));
    const { code, stderr } = await cli.run(['copy', signed(), `${proxy.host}/${repository}:v1`, '--referrers']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/skipped .* of the target cannot be read: .*HTTP 403/)]);
    expect((await getManifest(other.url, repository, ofImage.digest))?.digest).toBe(ofImage.digest);
    await proxy.close();
  });

  test('replace another signature in the target, with a note', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await pushImage(other.url, repository, cosignTag, makeImage({ salt: 'theirs', kind: 'oci' }));
    const { code, stderr } = await cli.run(['copy', signed(), `${other.host}/${repository}:v1`, '--referrers']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/the copy replaces \S+\.sig, which refers to sha256:\w+/),
    ]);
    expect((await getManifest(other.url, repository, cosignTag))?.digest).toBe(cosigned.digest);
  });

  test('are copied to a layout and an archive, and back', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', signed(), 'oci:signed', '--referrers');
    await cli.must('copy', 'oci:signed', 'oci-archive:signed.tar', '--referrers');
    expect(await cli.must('digest', 'oci:signed')).toBe(list.digest);
    expect(await cli.must('digest', 'oci-archive:signed.tar')).toBe(list.digest);
    await cli.must('copy', 'oci-archive:signed.tar', `${other.host}/${repository}`, '--referrers');
    for (const image of [ofImage, ofList, ofSignature]) {
      expect((await getManifest(other.url, repository, image.digest))?.digest).toBe(image.digest);
    }
    expect((await getManifest(other.url, repository, cosignTag))?.digest).toBe(cosigned.digest);
  });

  test('of the whole list are not copied with a filtered list, with a note', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    const options = ['--referrers', '--platform', 'linux/arm64'];
    const copied = await cli.json<{ referrers: { digest: string }[]; left: { what: string; digest: string }[] }>(
      'copy',
      signed(),
      `${other.host}/${repository}:v1`,
      ...options,
    );
    expect(copied.referrers.map(({ digest }) => digest).sort()).toEqual([ofImage.digest, ofSignature.digest].sort());
    expect(copied.left.filter(({ what }) => what === 'referrer')).toMatchObject([{ digest: ofList.digest }]);
    expect(await getManifest(other.url, repository, ofList.digest)).toBeUndefined();
  });

  test('are copied after a list that was copied without them', async () => {
    const cli = await CliHarness.make();
    const repository = fresh();
    await cli.must('copy', signed(), `${other.host}/${repository}:v1`);
    const copied = await cli.json<{ status: string; moved: { manifests: number } }>(
      'copy',
      signed(),
      `${other.host}/${repository}:v1`,
      '--referrers',
    );
    expect(copied.status).toBe('unchanged');
    expect((await getManifest(other.url, repository, ofSignature.digest))?.digest).toBe(ofSignature.digest);
  });
});
