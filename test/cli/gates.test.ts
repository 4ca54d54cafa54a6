import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Problem } from '../../src/errors/errors.ts';
import { createClient } from '../../src/index.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import {
  artifactOf,
  buildkitAttestation,
  envelopeOf,
  intotoReferrer,
  listedFor,
  provenance,
  pushAll,
  sigstoreBundle,
  spdx,
  statementOf,
  subjectOf,
} from '../support/attestations.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { entryOf, makeImage, makeIndex, putManifest, type Image } from '../support/images.ts';
import { makeList, pushList } from '../support/list-notation.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';

/** Checks for CI jobs: validate --expect and --require-attestation, explain --exit-code, exists --platform. */
let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
const requests: string[] = [];
let count = 0;

beforeAll(async () => {
  registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
});
afterAll(() => registry.close());
afterEach(() => proxy.close());
beforeEach(async () => {
  proxy = await RecordingProxy.start({ upstream: registry.url });
  cli = await CliHarness.make();
  count += 1;
});

const linux = (architecture: string) => ({ architecture, os: 'linux' });
const imageFor = (architecture: string): Image =>
  makeImage({ kind: 'oci', salt: `${count} ${architecture}`, platform: linux(architecture) });

/** Pushes a list in short notation (list-notation.ts). */
async function pushed(words: string): Promise<string> {
  await pushList(registry.url, 'team/app', `t${count}`, makeList({ kind: 'oci', words }, `gates ${count}`));
  return `${registry.host}/team/app:t${count}`;
}

async function put(repository: string, entries: readonly object[], host = registry.host): Promise<string> {
  const index = makeIndex(entries);
  await putManifest(registry.url, repository, `t${count}`, index.mediaType, index.bytes);
  return `${host}/${repository}:t${count}`;
}

interface Result {
  readonly code: number;
  readonly problems: readonly Problem[];
}

async function validate(...args: readonly string[]): Promise<Result> {
  const { code, stdout, stderr } = await cli.run(['validate', ...args, '--json']);
  if (stdout === '') throw new Error(stderr);
  return { code, problems: (JSON.parse(stdout) as Result).problems };
}

const ofRule = ({ problems }: Result, rule: string) =>
  problems
    .filter((problem) => problem.rule === rule)
    .map(({ severity, pointer, message }) => `${severity} ${pointer} ${message}`);

describe('validate --expect', () => {
  const missing = (platform: string) => `error  there is no image for the expected platform ${platform}`;
  const extra = (at: number, platform: string) => `warning /manifests/${at} the image for ${platform} is not expected`;

  test.each<[string, string, string, readonly string[]]>([
    ['all platforms', 'linux/amd64 linux/arm64/v8', 'linux/amd64,linux/arm64', []],
    [
      'a missing one',
      'linux/amd64',
      'linux/amd64,linux/s390x,linux/arm/v7',
      [missing('linux/s390x'), missing('linux/arm/v7')],
    ],
    ['another one', 'linux/amd64 linux/386', 'linux/amd64', [extra(1, 'linux/386')]],
    ['attestations', 'linux/amd64 unknown/unknown', 'linux/amd64', []],
    ['a platform that only the config states', 'linux/amd64 ?linux/arm64', 'linux/arm64,linux/amd64', []],
    ['a nested index', 'linux/amd64 [linux/arm64 linux/386]', 'linux/amd64,linux/arm64', [extra(1, 'linux/386')]],
    [
      'another Windows version',
      'windows/amd64@10.0.20348.1',
      'windows(10.0.17763)/amd64',
      [
        `${missing('windows(10.0.17763)/amd64')} (available versions: 10.0.20348.1)`,
        extra(0, 'windows(10.0.20348.1)/amd64'),
      ],
    ],
  ])('%s: %s', async (_name, words, expected, problems) => {
    const result = await validate(await pushed(words), '--expect', expected);
    expect(ofRule(result, 'E-EXPECT')).toEqual(problems);
    expect(result.code).toBe(problems.some((text) => text.startsWith('error')) ? 3 : 0);
  });

  test('a warning about another platform is an error with --strict', async () => {
    const list = await pushed('linux/amd64 linux/386');
    expect((await validate(list, '--expect', 'linux/amd64', '--strict')).code).toBe(3);
    expect((await validate(list, '--expect', 'linux/amd64,linux/386', '--strict')).code).toBe(0);
  });

  test('a draft, its file, a layout, an archive, a single image, a document', async () => {
    const list = await pushed('linux/amd64 linux/arm64');
    await cli.must('create', 'x.example/team/draft:1', list);
    const { drafts } = await cli.json<{ drafts: readonly { path: string }[] }>('ls');
    await cli.must('copy', list, 'oci:layout:v1');
    await cli.must('copy', list, 'oci-archive:list.tar:v1');
    await cli.must('copy', list, 'oci-archive:one.tar:v1', '--platform', 'linux/arm64');
    const { stdout } = await cli.pipe(['inspect', '--raw', `docker://${list}`]);
    await writeFile(join(cli.folder, 'index.json'), stdout);
    requests.length = 0;
    const files = [
      drafts[0]?.path ?? '',
      'oci:layout:v1',
      'oci-archive:list.tar:v1',
      './index.json',
      './layout/index.json',
    ];
    for (const name of ['x.example/team/draft:1', ...files]) {
      expect([name, (await validate(name, '--expect', 'linux/amd64,linux/arm64')).code]).toEqual([name, 0]);
      const result = await validate(name, '--expect', 'linux/riscv64,linux/amd64,linux/arm64');
      expect([name, result.code, ofRule(result, 'E-EXPECT')]).toEqual([name, 3, [missing('linux/riscv64')]]);
    }
    expect(requests).toEqual([]);
    expect((await validate('docker-archive:one.tar', '--expect', 'linux/amd64')).code).toBe(3);
    expect((await validate('docker-archive:one.tar', '--expect', 'linux/arm64')).code).toBe(0);
  });

  test('the manifest of an image needs --repo, since its config states the platform', async () => {
    const image = imageFor('arm64');
    await pushAll(registry.url, 'team/app', [image]);
    await writeFile(join(cli.folder, 'image.json'), image.bytes);
    const repo = ['--repo', `${registry.host}/team/app`];
    expect((await validate('./image.json', '--expect', 'linux/arm64', ...repo)).code).toBe(0);
    expect((await validate('./image.json', '--expect', 'linux/amd64', ...repo)).code).toBe(3);
    const without = await cli.run(['validate', './image.json', '--expect', 'linux/arm64']);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--repo')]);
  });

  test.each([
    [['--expect', 'kept'], 2, /--expect kept cannot be used with validate, which does not move tags/],
    [['--expect', 'linux/amd64,'], 2, /the platform is empty/],
    [['--require-attestation', 'slsa'], 2, /invalid attestation "slsa"\n.*provenance, sbom/],
    [['--require-attestation', ''], 2, /invalid attestation ""/],
  ])('refuses %j', async (args, code, message) => {
    const result = await cli.run(['validate', 'x.example/a:1', ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)]);
  });
});

describe('validate --require-attestation', () => {
  /** A list of two images in an own repository, with these attestations. */
  async function built(
    attested: (image: Image) => { readonly listed?: readonly Image[]; readonly referrers?: readonly Image[] },
    host = registry.host,
  ): Promise<{ readonly ref: string; readonly images: readonly Image[] }> {
    const repository = `team/gate${count}`;
    const images = [imageFor('amd64'), imageFor('arm64')];
    const found = images.map((image) => ({ image, listed: [], referrers: [], ...attested(image) }));
    await pushAll(registry.url, repository, [
      ...images,
      ...found.flatMap(({ listed, referrers }) => [...listed, ...referrers]),
    ]);
    const entries = [
      ...images.map((image, at) => entryOf(image, linux(['amd64', 'arm64'][at] ?? ''))),
      ...found.flatMap(({ image, listed }) => listed.map((attestation) => listedFor(attestation, image))),
    ];
    const ref = await put(repository, entries, host);
    requests.length = 0;
    return { ref, images };
  }

  const both = [provenance, spdx];

  test.each<[string, Parameters<typeof built>[0]]>([
    ['attestations of BuildKit in the list', (image) => ({ listed: [buildkitAttestation(image, both)] })],
    [
      'older ones of BuildKit, without subject',
      (image) => ({ listed: [buildkitAttestation(image, both, { subject: undefined })] }),
    ],
    ['BuildKit attestations as referrers', (image) => ({ referrers: [buildkitAttestation(image, both)] })],
    ['sigstore bundles', (image) => ({ referrers: both.map((type) => sigstoreBundle(image, type)) })],
    ['bundles without annotations', (image) => ({ referrers: both.map((type) => sigstoreBundle(image, type, false)) })],
    [
      'in-toto statements',
      (image) => ({ referrers: both.map((type) => intotoReferrer(image, statementOf(image, type))) }),
    ],
    [
      'envelopes',
      (image) => ({
        referrers: both.map((type) =>
          intotoReferrer(image, envelopeOf(statementOf(image, type)), 'application/vnd.dsse.envelope.v1+json'),
        ),
      }),
    ],
    [
      'one in the list and one as a referrer',
      (image) => ({
        listed: [buildkitAttestation(image, [provenance])],
        referrers: [sigstoreBundle(image, 'https://cyclonedx.org/bom/v1.5')],
      }),
    ],
  ])('accepts %s', async (_name, attested) => {
    const { ref } = await built(attested);
    expect(ofRule(await validate(ref, '--require-attestation', 'provenance,sbom'), 'E-ATTESTATION')).toEqual([]);
    expect((await validate(ref, '--require-attestation', provenance, '--deep')).code).toBe(0);
    const other = await validate(ref, '--require-attestation', 'https://example.com/audit');
    expect([other.code, ofRule(other, 'E-ATTESTATION').length]).toEqual([3, 2]);
  });

  const other = makeImage({ kind: 'oci', salt: 'not in the list' });
  const plainSbom = (image: Image) =>
    artifactOf([{ mediaType: 'application/spdx+json' }], {
      artifactType: 'application/spdx+json',
      ...subjectOf(image),
    });

  test.each<[string, Parameters<typeof built>[0], RegExp]>([
    ['no attestation', () => ({}), /lacks attestations: sbom \(found: none\)$/],
    [
      'only provenance',
      (image) => ({ listed: [buildkitAttestation(image, [provenance])] }),
      /\(found: https:\/\/slsa.dev\/provenance\/v1\)$/,
    ],
    [
      'an attestation with another subject',
      (image) => ({
        listed: [buildkitAttestation(other, [spdx], subjectOf(other)), buildkitAttestation(image, [provenance])],
      }),
      /the subject of sha256:\w+ is not this image\)$/,
    ],
    [
      'a statement about another image',
      (image) => ({ referrers: [intotoReferrer(image, statementOf(other, spdx))] }),
      /is not a statement about this image\)$/,
    ],
    [
      'a layer that is not a statement',
      (image) => ({ referrers: [intotoReferrer(image, { predicateType: 1 })] }),
      /is not a statement about this image\)$/,
    ],
    ['a plain SBOM', (image) => ({ referrers: [plainSbom(image)] }), /\(found: none\)$/],
    [
      'a signature',
      (image) => ({ referrers: [sigstoreBundle(image, 'https://sigstore.dev/cosign/sign/v1')] }),
      /\(found: https:\/\/sigstore.dev\/cosign\/sign\/v1\)$/,
    ],
  ])('refuses %s, for each image', async (_name, attested, message) => {
    const { ref, images } = await built(attested);
    const { code, problems } = await validate(ref, '--require-attestation', 'sbom');
    const found = problems.filter(({ rule }) => rule === 'E-ATTESTATION');
    expect([code, found.map(({ pointer }) => pointer)]).toEqual([3, ['/manifests/0', '/manifests/1']]);
    for (const [at, problem] of found.entries()) {
      expect(problem.message).toMatch(message);
      expect(problem.message).toContain(`${['linux/amd64', 'linux/arm64'][at]} (${images[at]?.digest.slice(0, 19)})`);
    }
  });

  test('reads what it needs: no layers, and no referrers if the list has the attestations', async () => {
    const { ref } = await built((image) => ({ listed: [buildkitAttestation(image, both)] }));
    await validate(ref, '--require-attestation', 'provenance,sbom');
    expect(
      requests.map((line) =>
        line
          .replace(/sha256:\w+/, 'DIGEST')
          .split('/')
          .slice(-2)
          .join('/'),
      ),
    ).toEqual([`manifests/t${count}`, 'manifests/DIGEST', 'manifests/DIGEST']);
  });

  test('the attestations of a draft, a layout and a single image', async () => {
    const { ref, images } = await built((image) => ({ listed: [buildkitAttestation(image, both)] }));
    await cli.must('create', 'x.example/team/draft:1', ref);
    await cli.must('copy', ref, 'oci:layout:v1');
    const repo = ['--repo', ref.replace(/:t\d+$/, '')];
    const { stdout } = await cli.pipe(['inspect', '--raw', `docker://${ref}`]);
    await writeFile(join(cli.folder, 'index.json'), stdout);
    for (const name of [
      ['x.example/team/draft:1'],
      ['oci:layout:v1'],
      ['./layout/index.json'],
      ['./index.json', ...repo],
    ])
      expect([name, (await validate(...name, '--require-attestation', 'sbom')).code]).toEqual([name, 0]);
    const image = `docker://${ref.replace(/:t\d+$/, '')}@${images[0]?.digest}`;
    // BuildKit's attestation has the image as its subject, so it is a referrer too.
    expect((await validate(image, '--require-attestation', 'sbom')).code).toBe(0);
    await cli.must('copy', ref, 'oci:bare:v1', '--attestations', 'drop');
    expect((await validate('oci:bare:v1', '--require-attestation', 'sbom')).code).toBe(3);
    const without = await cli.run(['validate', './index.json', '--require-attestation', 'sbom']);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--repo')]);
  });

  test('a missing attestation is a problem of its image, a registry error is not', async () => {
    const { ref } = await built((image) => ({ listed: [buildkitAttestation(image, [provenance])] }), proxy.host);
    const { manifests } = JSON.parse((await cli.run(['inspect', '--raw', `docker://${ref}`])).stdout) as {
      manifests: readonly { digest: string }[];
    };
    proxy.on(new RegExp(manifests[2]?.digest ?? ''), ({ response }) => void response.writeHead(404).end());
    proxy.on(/\/referrers\//, answer(404));
    const result = await validate(ref, '--require-attestation', 'provenance');
    expect([result.code, ofRule(result, 'E-ATTESTATION')]).toEqual([
      3,
      [expect.stringMatching(/^error \/manifests\/0 .* is missing\)$/)],
    ]);
    proxy.on(new RegExp(manifests[3]?.digest ?? ''), answer(503));
    const failed = await cli.run(['validate', ref, '--require-attestation', 'provenance', '--json', '--retries', '0']);
    expect([failed.code, failed.stdout]).toEqual([7, '']);
  });

  test('the library has both options', async () => {
    const { ref } = await built((image) => ({ listed: [buildkitAttestation(image, [provenance])] }));
    const client = createClient();
    const options = { expect: ['linux/amd64', 'linux/s390x'], requireAttestations: ['provenance', 'sbom'] };
    const { valid, problems } = await client.validate(ref, options);
    expect([valid, problems.map(({ rule, severity }) => `${severity} ${rule}`)]).toEqual([
      false,
      ['error E-EXPECT', 'warning E-EXPECT', 'error E-ATTESTATION', 'error E-ATTESTATION'],
    ]);
    expect(await client.validate(ref, { requireAttestations: ['provenance'] })).toEqual({ valid: true, problems: [] });
    const { bytes } = await client.inspect(ref);
    expect((await client.validate(bytes, { expect: ['linux/s390x'] })).valid).toBe(false);
    await expect(client.validate(bytes, options)).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    await client.close();
  });

  test('a list without images is refused', async () => {
    const result = await validate(await put('team/app', []), '--require-attestation', 'sbom');
    expect([result.code, ofRule(result, 'E-ATTESTATION')]).toEqual([
      3,
      ['error  there is no image that could have attestations'],
    ]);
  });

  test('reads the images of a nested index with its attestations, and limits the referrers of an image', async () => {
    const [image, flooded] = [imageFor('amd64'), imageFor('arm64')];
    const attestation = buildkitAttestation(image, both);
    const many = Array.from({ length: 40 }, (_, at) => intotoReferrer(flooded, { at }));
    const repository = `team/gate${count}`;
    await pushAll(registry.url, repository, [image, flooded, attestation, ...many]);
    const inner = makeIndex([entryOf(image, linux('amd64')), listedFor(attestation, image)]);
    await putManifest(registry.url, repository, inner.digest, inner.mediaType, inner.bytes);
    const nested = { mediaType: inner.mediaType, digest: inner.digest, size: inner.bytes.length };
    const ref = await put(repository, [entryOf(flooded, linux('arm64')), nested]);
    const found = ofRule(await validate(ref, '--require-attestation', 'sbom'), 'E-ATTESTATION');
    expect(found).toEqual([expect.stringMatching(/^error \/manifests\/0 .*; 25 more\)$/)]);
  });

  test('limits the statements that are read for an image, in one attestation or in several', async () => {
    const { ref } = await built((image) => ({
      listed: ['one', 'other'].map((name) => {
        const statements = Array.from({ length: 30 }, (_, at) => ({ content: { [name]: at, about: image.digest } }));
        return artifactOf(statements, subjectOf(image));
      }),
    }));
    const found = ofRule(await validate(ref, '--require-attestation', 'sbom'), 'E-ATTESTATION');
    expect(found).toHaveLength(2);
    expect(requests.filter((line) => line.includes('/blobs/'))).toHaveLength(2 * 32);
  });

  test('limits the attestations in the list that are read for an image', async () => {
    const image = imageFor('amd64');
    const many = Array.from({ length: 40 }, (_, at) => buildkitAttestation(image, [`https://example.com/${at}`]));
    const repository = `team/gate${count}`;
    await pushAll(registry.url, repository, [image, ...many]);
    const ref = await put(repository, [entryOf(image, linux('amd64')), ...many.map((one) => listedFor(one, image))]);
    requests.length = 0;
    const found = ofRule(await validate(ref, '--require-attestation', 'https://other.example'), 'E-ATTESTATION');
    expect(found).toEqual([expect.stringContaining('only the first 32 attestations in the list were read')]);
  });
});

describe('explain --exit-code', () => {
  test.each<[string, string, string, number]>([
    ['all clients get the same image', 'linux/amd64 linux/arm64/v8', 'linux/amd64,linux/arm64', 0],
    ['clients get different images', 'linux/amd64 linux/amd64+zstd', 'linux/amd64', 8],
    ['no client gets an image for one of the platforms', 'linux/amd64', 'linux/amd64,linux/s390x', 4],
    ['some clients get no image', 'linux/amd64 [linux/arm64]', 'linux/arm64', 4],
    ['a platform with different images and one without', 'linux/amd64 linux/amd64+zstd', 'linux/amd64,linux/s390x', 4],
  ])('%s', async (_name, words, platforms, code) => {
    const args = ['explain', await pushed(words), '--platform', platforms];
    expect((await cli.run([...args, '--exit-code'])).code).toBe(code);
    expect((await cli.run([...args, '--exit-code', '--json'])).code).toBe(code);
    expect((await cli.run(args)).code).toBe(0);
  });
});

describe('exists --platform', () => {
  const answerOf = async (...args: readonly string[]) => {
    const { code, stdout } = await cli.run(['exists', ...args, '--json']);
    return [code, JSON.parse(stdout) as object];
  };

  test.each<[string, string, string, number]>([
    ['an image of the list', 'linux/amd64 linux/arm64/v8', 'linux/arm64', 0],
    ['another platform', 'linux/amd64', 'linux/arm64', 4],
    ['another variant', 'linux/arm/v7', 'linux/arm/v6', 4],
    ['an image in a nested index', 'linux/amd64 [linux/arm64]', 'linux/arm64', 0],
    ['a platform that only the config states', '?linux/arm64', 'arm64', 0],
  ])('%s', async (_name, words, platform, code) => {
    const ref = await pushed(words);
    const result = await cli.run(['exists', ref, '--platform', platform]);
    expect([result.code, result.stdout]).toEqual([code, '']);
    if (code === 4) expect(result.stderr).toContain(`${ref} has no image for ${platform}`);
  });

  test('prints the available platforms with --json', async () => {
    const ref = await pushed('linux/amd64 unknown/unknown');
    const found = { from: 'registry', ref, platforms: ['linux/amd64'] };
    expect(await answerOf(ref, '--platform', 'linux/arm64')).toEqual([4, { exists: false, ...found }]);
    expect(await answerOf(ref, '--platform', 'linux/amd64')).toEqual([0, { exists: true, ...found }]);
    const gone = `${registry.host}/team/app:none`;
    expect(await answerOf(gone, '--platform', 'linux/amd64')).toEqual([4, { exists: false }]);
  });

  test('a draft and a single image', async () => {
    const ref = await pushed('linux/amd64');
    await cli.must('create', 'x.example/team/draft:1', ref);
    await cli.must('copy', ref, 'oci-archive:one.tar:v1');
    for (const name of ['x.example/team/draft:1', 'docker-archive:one.tar']) {
      expect([name, (await cli.run(['exists', name, '--platform', 'linux/amd64'])).code]).toEqual([name, 0]);
      expect([name, (await cli.run(['exists', name, '--platform', 'linux/386'])).code]).toEqual([name, 4]);
    }
  });

  test('docker:// is never a draft', async () => {
    const ref = await pushed('linux/amd64 linux/arm64');
    await cli.must('create', ref, `docker://${ref}`, '--platform', 'linux/amd64');
    expect(await answerOf(ref, '--platform', 'linux/arm64')).toMatchObject([4, { from: 'draft' }]);
    expect(await answerOf(`docker://${ref}`, '--platform', 'linux/arm64')).toMatchObject([0, { from: 'registry' }]);
  });

  test('a registry error is not an answer', async () => {
    proxy.on(/manifests/, answer(500));
    const result = await cli.run([
      'exists',
      `${proxy.host}/team/app:v1`,
      '--platform',
      'linux/amd64',
      '--retries',
      '0',
    ]);
    expect(result.code).toBe(7);
  });
});
