import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Image } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Manifests with a subject, as BuildKit 0.32 writes attestations, on registries such as GitLab that require the subject first. */
const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
const images = platforms.map((platform) => makeImage({ salt: 'subject', kind: 'oci', platform }));
const describeOf = ({ mediaType, digest, bytes }: Pick<Image, 'mediaType' | 'digest' | 'bytes'>) => ({
  mediaType,
  digest,
  size: bytes.length,
});
const about = (subject: Parameters<typeof describeOf>[0], salt: string, artifactType = 'application/x.sig'): Image =>
  makeImage({ salt, kind: 'oci', manifest: { artifactType, subject: describeOf(subject) } });
const attestations = images.map((image) =>
  about(image, 'attestation', 'application/vnd.docker.attestation.manifest.v1+json'),
);
const imageEntries = images.map((image, at) => entryOf(image, platforms[at]));
const attestationEntries = attestations.map((attestation, at) =>
  entryOf(
    attestation,
    { os: 'unknown', architecture: 'unknown' },
    {
      annotations: {
        'vnd.docker.reference.digest': images[at]?.digest,
        'vnd.docker.reference.type': 'attestation-manifest',
      },
    },
  ),
);
const list = makeIndex([...imageEntries, ...attestationEntries]);
const reversed = makeIndex([...attestationEntries, ...imageEntries]);

let source: RunningRegistry;
let registry: RunningRegistry;
beforeAll(async () => {
  [source, registry] = [await startRegistry(), await startRegistry()];
  for (const image of [...images, ...attestations]) await pushImage(source.url, 'team/app', undefined, image);
  await putManifest(source.url, 'team/app', '1.0', list.mediaType, list.bytes);
  await putManifest(source.url, 'team/app', 'reversed', reversed.mediaType, reversed.bytes);
});
afterAll(async () => {
  await source.close();
  await registry.close();
});

const from = (tag: string): string => `${source.host}/team/app:${tag}`;
const refusal = (digest = ''): Rule =>
  answer(
    400,
    { 'content-type': 'application/json' },
    JSON.stringify({
      errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to registry', detail: digest }],
    }),
  );

/** A registry that stores images slowly, and refuses manifests whose subject does not exist yet. */
async function strict(): Promise<RecordingProxy> {
  const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  proxy.on(/^PUT .*\/manifests\//, async (exchange) => {
    const { subject } = JSON.parse((await exchange.read()).toString()) as { subject?: { digest: string } };
    if (subject === undefined) await sleep(50);
    else if ((await getManifest(registry.url, repositoryIn(exchange.seen.path), subject.digest)) === undefined)
      return refusal(subject.digest)(exchange);
    return exchange.pass();
  });
  return proxy;
}

const repositoryIn = (path: string): string => /^\/v2\/(.+)\/manifests\//.exec(path)?.[1] ?? '';
/** The names of the written manifests, in the order of their writes. */
const written = (proxy: RecordingProxy): readonly string[] =>
  proxy.requestsMatching(/^PUT .*\/manifests\//).map(({ path }) => path.slice(path.lastIndexOf('/') + 1));

class Signal {
  send: () => void = () => undefined;
  readonly sent = new Promise<void>((resolve) => (this.send = resolve));
}

let repositories = 0;
const fresh = (): string => `team/subjects${(repositories += 1)}`;

describe('a list with attestations that have a subject', () => {
  const spec = (target: string): string => JSON.stringify({ list: target, manifests: [from('1.0')] });
  test.each<[string, (target: string) => readonly string[]]>([
    ['copy', (target) => ['copy', from('1.0'), target]],
    ['copy of a list that names the attestations first', (target) => ['copy', from('reversed'), target]],
    ['create --push', (target) => ['create', target, from('1.0'), '--push']],
    ['join', (target) => ['join', target, from('1.0'), '--group', 'g', '--expect', 'linux/amd64,linux/arm64']],
    ['apply', () => ['apply', '-f', 'spec.json']],
  ])('%s: writes each image before its attestation', async (_, args) => {
    const [cli, proxy, repository] = [await CliHarness.make(), await strict(), fresh()];
    const target = `${proxy.host}/${repository}:1.0`;
    await writeFile(join(cli.folder, 'spec.json'), spec(target));
    const { code, stderr } = await cli.run(args(target));
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/has lost/)]);
    expect(proxy.requests.filter(({ status }) => status === 400)).toEqual([]);
    for (const { digest } of attestations)
      expect((await getManifest(registry.url, repository, digest))?.digest).toBe(digest);
  });

  test('sends deleted manifests again from the cache in the same order', async () => {
    const [cli, proxy, repository] = [await CliHarness.make(), await strict(), fresh()];
    const [image, referrer] = [images[1]!, about(images[1]!, 'lost')];
    for (const one of [image, referrer]) await pushImage(registry.url, repository, undefined, one);
    const at = (digest: string): string => `${proxy.host}/${repository}@${digest}`;
    await cli.must('create', `${proxy.host}/${repository}:1.0`, at(referrer.digest), at(image.digest));
    for (const { digest } of [image, referrer])
      await fetch(`${registry.url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/no longer had 2 manifests/)]);
    expect(written(proxy)).toEqual(['1.0', image.digest, referrer.digest, '1.0']);
  });

  test('retries if the registry shows the subject late', async () => {
    const [cli, proxy, repository] = [await CliHarness.make(), await strict(), fresh()];
    const [late] = attestations as [Image];
    proxy.on(new RegExp(`^PUT .*${late.digest}`), refusal(images[0]!.digest), 1);
    await cli.must('copy', from('1.0'), `${proxy.host}/${repository}:1.0`);
    expect(written(proxy).filter((name) => name === late.digest)).toHaveLength(2);
  });

  test('retries after another list of the same run has sent the subject', async () => {
    const [cli, repository] = [await CliHarness.make(), fresh()];
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const [image, referrer] = [images[1]!, about(images[1]!, 'of another list')];
    await pushImage(source.url, 'team/app', undefined, referrer);
    const [begun, refused] = [new Signal(), new Signal()];
    proxy.on(new RegExp(`^PUT .*${image.digest}`), async (exchange) => {
      begun.send();
      await refused.sent;
      return exchange.pass();
    });
    const refuse: Rule = async (exchange) => {
      await begun.sent;
      await refusal(image.digest)(exchange);
      refused.send();
    };
    proxy.on(new RegExp(`^PUT .*${referrer.digest}`), refuse, 1);
    const spec = [referrer, image]
      .map(
        ({ digest }, at) =>
          `---\nlist: ${proxy.host}/${repository}:${at}\nmanifests: ["${source.host}/team/app@${digest}"]\n`,
      )
      .join('');
    const { code, stderr } = await cli.run(['apply', '-f', '-'], { stdin: spec });
    expect([code, stderr]).toEqual([0, expect.stringContaining('2 lists: 2 pushed')]);
    expect(proxy.requestsMatching(new RegExp(`^PUT .*${referrer.digest}`)).map(({ status }) => status)).toEqual([
      400, 201,
    ]);
  });

  test('fails if two refusals name each other’s manifest', async () => {
    const [cli, repository] = [await CliHarness.make(), fresh()];
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const puts = [new Signal(), new Signal()];
    for (const [at, image] of images.entries())
      proxy.on(new RegExp(`^PUT .*${image.digest}`), async (exchange) => {
        puts[at]!.send();
        await Promise.all(puts.map(({ sent }) => sent));
        return refusal(images[1 - at]!.digest)(exchange);
      });
    const spec = images
      .map(
        ({ digest }, at) =>
          `---\nlist: ${proxy.host}/${repository}:${at}\nmanifests: ["${source.host}/team/app@${digest}"]\n`,
      )
      .join('');
    expect(await cli.run(['apply', '-f', '-'], { stdin: spec })).toMatchObject({ code: 7 });
  });
});

describe('copy --referrers', () => {
  const plain = makeIndex(imageEntries);
  const ofImage = about(images[0]!, 'of an image');
  const ofList = about(plain, 'of the list');
  const ofReferrer = about(ofList, 'of the one of the list');
  const signed = (): string => `${source.host}/team/signed:1.0`;
  beforeAll(async () => {
    for (const image of images) await pushImage(source.url, 'team/signed', undefined, image);
    await putManifest(source.url, 'team/signed', '1.0', plain.mediaType, plain.bytes);
    for (const one of [ofReferrer, ofList, ofImage]) await pushImage(source.url, 'team/signed', undefined, one);
  });

  test('writes the list by digest, then its referrers and theirs, then the tag', async () => {
    const [cli, proxy, repository] = [await CliHarness.make(), await strict(), fresh()];
    const { code, stderr } = await cli.run(['copy', '--referrers', signed(), `${proxy.host}/${repository}:1.0`]);
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/has lost/)]);
    expect(proxy.requests.filter(({ status }) => status === 400)).toEqual([]);
    const names = written(proxy);
    expect(names.slice(names.indexOf(plain.digest)).filter((name) => name !== ofImage.digest)).toEqual([
      plain.digest,
      ofList.digest,
      ofReferrer.digest,
      '1.0',
    ]);
    expect(names).toContain(ofImage.digest);
  });

  test('does not write an existing list again', async () => {
    const [cli, proxy, repository] = [await CliHarness.make(), await strict(), fresh()];
    const target = `${proxy.host}/${repository}:1.0`;
    await cli.must('copy', signed(), target);
    proxy.clear();
    await cli.must('copy', '--referrers', signed(), target);
    expect([...written(proxy)].sort()).toEqual([ofImage, ofList, ofReferrer].map(({ digest }) => digest).sort());
  });

  test('writes a tag of cosign that is a subject itself by digest first', async () => {
    const [cli, proxy, repository, cosigned] = [await CliHarness.make(), await strict(), fresh(), fresh()];
    const [image] = images as [Image];
    const signature = makeImage({ salt: 'cosign', kind: 'oci' });
    const ofSignature = about(signature, 'of the signature');
    const tag = `${image.digest.replace(':', '-')}.sig`;
    await pushImage(source.url, cosigned, '1.0', image);
    await pushImage(source.url, cosigned, tag, signature);
    await pushImage(source.url, cosigned, undefined, ofSignature);
    await cli.must('copy', '--referrers', `${source.host}/${cosigned}:1.0`, `${proxy.host}/${repository}:1.0`);
    expect(written(proxy)).toEqual([signature.digest, ofSignature.digest, tag, '1.0']);
  });
});

test('a missing subject does not stop the copy', async () => {
  const [cli, proxy, repository] = [
    await CliHarness.make(),
    cleanup(await RecordingProxy.start({ upstream: registry.url })),
    fresh(),
  ];
  const orphan = about({ ...images[0]!, digest: `sha256:${'0'.repeat(64)}` }, 'orphan');
  await pushImage(source.url, 'team/app', 'orphan', orphan);
  await cli.must('copy', from('orphan'), `${proxy.host}/${repository}:orphan`);
  expect(written(proxy)).toEqual(['orphan']);
});
