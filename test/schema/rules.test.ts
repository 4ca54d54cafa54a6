import { describe, expect, test } from '@jest/globals';
import type { Problem } from '../../src/errors/errors.ts';
import { validateDocument } from '../../src/schema/documents.ts';
import { checkDockerConfig } from '../../src/schema/docker-documents.ts';
import { sha256 } from '../support/images.ts';
import { fc } from '../support/seed.ts';

/** For each rule of docs/rules.md, the smallest list that violates it. */
const OCI = 'application/vnd.oci.image.index.v1+json';
const DOCKER = 'application/vnd.docker.distribution.manifest.list.v2+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

const digestOf = (name: string) => sha256(Buffer.from(name));
const platform = (text: string) => {
  const [os, architecture, variant] = text.split('/');
  return { architecture, os, ...(variant === undefined ? {} : { variant }) };
};
const entry = (on: string | undefined, more: object = {}) => ({
  mediaType: MANIFEST,
  digest: digestOf(on ?? 'none'),
  size: 7,
  ...(on === undefined ? {} : { platform: platform(on) }),
  ...more,
});
const docker = (on: string, more: object = {}) => entry(on, { mediaType: DOCKER_MANIFEST, ...more });
const index = (manifests: unknown, more: object = {}) => ({ schemaVersion: 2, mediaType: OCI, manifests, ...more });
const list = (manifests: unknown, more: object = {}) => ({ schemaVersion: 2, mediaType: DOCKER, manifests, ...more });
const attestation = (of: string, more: object = {}) =>
  entry('unknown/unknown', {
    digest: digestOf(`attestation of ${of}`),
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': of },
    ...more,
  });
const windows = (version: string | undefined, name: string) =>
  entry(undefined, {
    digest: digestOf(name),
    platform: { architecture: 'amd64', os: 'windows', ...(version === undefined ? {} : { 'os.version': version }) },
  });

function check(document: unknown, options = {}): readonly Problem[] {
  const bytes = typeof document === 'string' ? document : JSON.stringify(document);
  return validateDocument(Buffer.from(bytes), options).problems;
}

const brief = ({ rule, severity, pointer }: Problem) => `${severity} ${rule} ${pointer}`;

const two = [entry('linux/amd64'), entry('linux/arm64/v8')];
const inline = Buffer.from('{}');

describe('messages about violations of a schema', () => {
  const indexOf = (more: object) => index([entry('linux/amd64', more)]);
  test.each<[string, unknown, string]>([
    ['a negative size', indexOf({ size: -1 }), 'must be at least 0'],
    ['a media type', indexOf({ mediaType: 'x' }), 'must be a media type (TYPE/SUBTYPE), not "x"'],
    ['an artifact type', indexOf({ artifactType: 'x' }), 'must be a media type (TYPE/SUBTYPE), not "x"'],
    [
      'a digest',
      indexOf({ digest: 'sha256:1' }),
      'must be a digest (for example sha256: and 64 lower-case hex digits), not "sha256:1"',
    ],
    ['a long digest', indexOf({ digest: `x:${'1'.repeat(600)}` }), 'must have at most 512 characters'],
    ['a URL', indexOf({ urls: ['x'] }), 'must be an absolute URL, not "x"'],
    ['inline data', indexOf({ data: '?' }), 'must be base64 with padding, not "?"'],
    ['a number instead of a string', indexOf({ annotations: { a: 1 } }), 'must be of type string, not number'],
    ['a missing member', index([{ ...entry('linux/amd64'), size: undefined }]), '"size" is missing'],
  ])('%s', (_name, document, message) => {
    expect(check(document).map((problem) => problem.message)).toContain(message);
  });

  test.each([{ credsStore: '/x' }, { credHelpers: { 'r.test': '/x' } }])('a credential helper in %j', (document) => {
    const message = 'must be a credential helper name (letters, digits, and the characters _ . -), not "/x"';
    expect(checkDockerConfig(Buffer.from(JSON.stringify(document)))).toMatchObject({ problems: [{ message }] });
  });
});

describe('messages about violations of a rule', () => {
  const v3 = { ...platform('linux/amd64'), variant: 'v3' };
  test.each<[string, unknown, string]>([
    ['no platform', index([entry(undefined)]), 'the platform is missing'],
    ['an empty os', index([entry('/amd64')]), 'os must not be empty'],
    ['an empty architecture', index([entry('linux/')]), 'architecture must not be empty'],
    ['an empty platform', index([entry('/')]), 'os and architecture must not be empty'],
    ['an unknown platform', index([entry('linux/amd46')]), 'unknown platform linux/amd46: did you mean linux/amd64?'],
    [
      'a variant without plain amd64',
      index([entry(undefined, { platform: v3 })]),
      'many clients find no image, because there is no entry for linux/amd64 without a variant',
    ],
    [
      'Windows without a version',
      index([windows(undefined, 'a')]),
      'os.version is missing: a host may select an image',
    ],
    [
      'a name in the wrong case',
      index(two, { MANIFESTS: [] }),
      'differs from "manifests" only in case: other programs read it as that member',
    ],
    ['data of another size', index([entry('linux/amd64', { data: 'e30=' })]), 'has 2 bytes, but "size" is 7'],
    [
      'an attestation without an image',
      index([attestation('', { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } })]),
      'the annotation vnd.docker.reference.digest of the attestation is missing',
    ],
    ['the same entry twice', index([entry('linux/amd64'), entry('linux/amd64')]), 'duplicate of entry 0'],
  ])('%s', (_name, document, message) => {
    expect(check(document).map((problem) => problem.message)).toContainEqual(expect.stringContaining(message));
  });
});

describe('a list that violates one rule', () => {
  test.each<[string, unknown, readonly string[]]>([
    ['a valid index', index(two), []],
    ['a valid Docker list', list([docker('linux/amd64'), docker('linux/arm/v7')]), []],
    ['an image and its attestation', index([entry('linux/amd64'), attestation(digestOf('linux/amd64'))]), []],
    [
      'a zstd copy',
      index([
        entry('linux/amd64'),
        entry('linux/amd64', {
          digest: digestOf('z'),
          annotations: { 'io.github.containers.compression.zstd': 'true' },
        }),
      ]),
      [],
    ],
    ['not JSON', '{', ['error E-JSON ']],
    [
      'a duplicate key',
      `{"schemaVersion":2,"schemaVersion":2,"mediaType":"${OCI}","manifests":[${JSON.stringify(two[0])}]}`,
      ['error E-JSON /schemaVersion'],
    ],
    ['a key in the wrong case', index(two, { MANIFESTS: [] }), ['error E-JSON /MANIFESTS']],
    [
      'a long s, which Go reads as s',
      index([{ ...entry('linux/amd64'), ['ſize']: 1 }, two[1]]),
      ['error E-JSON /manifests/0/ſize'],
    ],
    [
      'a platform key in the wrong case',
      index([entry(undefined, { platform: { OS: 'x', ...platform('linux/amd64') } })]),
      ['error E-JSON /manifests/0/platform/OS'],
    ],
    [
      'a size with a fraction',
      JSON.stringify(index([entry('linux/amd64')])).replace('"size":7', '"size":7.0'),
      ['error E-SCHEMA /manifests/0/size'],
    ],
    [
      'a size with an exponent',
      JSON.stringify(index([entry('linux/amd64')])).replace('"size":7', '"size":7e3'),
      ['error E-SCHEMA /manifests/0/size'],
    ],
    [
      'a size beyond 2^53',
      JSON.stringify(index([entry('linux/amd64')])).replace('"size":7', '"size":9007199254740993'),
      ['error E-SCHEMA /manifests/0/size'],
    ],
    ['a negative size', index([entry('linux/amd64', { size: -1 })]), ['error E-SCHEMA /manifests/0/size']],
    ['an array', '[]', ['error E-TYPE ']],
    ['another schema version', index(two, { schemaVersion: 3 }), ['error E-SCHEMA /schemaVersion']],
    ['the type of a manifest', index(two, { mediaType: MANIFEST }), ['error E-AMBIG ']],
    ['an unknown type', index(two, { mediaType: 'a/b' }), ['error E-TYPE /mediaType']],
    ['no type', { schemaVersion: 2, manifests: two }, ['warning E-TYPE ']],
    ['a config beside manifests', index(two, { config: {} }), ['error E-AMBIG ']],
    ['layers beside manifests, null', list([docker('linux/amd64')], { layers: null }), ['error E-AMBIG ']],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, ['error E-SCHEMA1 ']],
    ['manifests null', index(null), ['error E-SCHEMA /manifests']],
    ['annotations null', index(two, { annotations: null }), ['error E-SCHEMA /annotations']],
    ['an annotation that is not a string', index(two, { annotations: { a: 1 } }), ['error E-SCHEMA /annotations/a']],
    ['a short digest', index([entry('linux/amd64', { digest: 'sha256:abc' })]), ['error E-DIGEST /manifests/0/digest']],
    [
      'an upper-case digest',
      index([entry('linux/amd64', { digest: digestOf('x').toUpperCase().replace('SHA', 'sha') })]),
      ['error E-DIGEST /manifests/0/digest'],
    ],
    [
      'an unknown algorithm',
      index([entry('linux/amd64', { digest: 'foo:abc' })]),
      ['warning E-DIGEST /manifests/0/digest'],
    ],
    [
      'a media type with a parameter',
      index([entry('linux/amd64', { mediaType: 'a/b; c=d' })]),
      ['error E-SCHEMA /manifests/0/mediaType'],
    ],
    [
      'a relative URL',
      index([entry(undefined, { urls: ['a/b'], artifactType: 'a/b' })]),
      ['error E-SCHEMA /manifests/0/urls/0'],
    ],
    [
      'a URL that is neither http nor https',
      index([entry(undefined, { urls: ['file:///etc'], artifactType: 'a/b' })]),
      ['warning W-URLS /manifests/0/urls/0'],
    ],
    [
      'data of another alphabet',
      index([entry(undefined, { data: 'e-0=', artifactType: 'a/b' })]),
      ['error E-DATA /manifests/0/data'],
    ],
    [
      'data without padding',
      index([entry(undefined, { data: 'e30', artifactType: 'a/b' })]),
      ['error E-DATA /manifests/0/data'],
    ],
    [
      'data with stray bits',
      index([entry(undefined, { data: 'e31=', size: 2, artifactType: 'a/b' })]),
      ['error E-DATA /manifests/0/data'],
    ],
    [
      'data of another size',
      index([entry(undefined, { data: 'e30=', size: 3, digest: sha256(inline), artifactType: 'a/b' })]),
      ['error E-DATA /manifests/0/data'],
    ],
    [
      'data of another digest',
      index([entry(undefined, { data: 'e30=', size: 2, artifactType: 'a/b' })]),
      ['error E-DATA /manifests/0/data'],
    ],
    [
      'data that is right',
      index([entry(undefined, { data: 'e30=', size: 2, digest: sha256(inline), artifactType: 'a/b' })]),
      [],
    ],
    [
      'one manifest for two platforms',
      index([entry('linux/amd64'), entry('linux/arm64', { digest: digestOf('linux/amd64') })]),
      ['error E-DUP-DIGEST /manifests/1/digest'],
    ],
    [
      'the same entry twice',
      index([entry('linux/amd64'), entry('linux/amd64')]),
      ['warning E-DUP-DIGEST /manifests/1/digest'],
    ],
    [
      'an attestation of two images',
      index([...two, ...two.map(({ digest }) => attestation(digest, { digest: digestOf('shared') }))]),
      [],
    ],
    [
      'an attestation of one image, described in two ways',
      index([...two, ...[1, 2].map((size) => attestation(digestOf('linux/amd64'), { size }))]),
      ['error E-DUP-DIGEST /manifests/3/digest'],
    ],
    [
      'one manifest as an image and as an attestation',
      index([...two, attestation(digestOf('linux/arm64/v8'), { digest: digestOf('linux/amd64') })]),
      ['error E-DUP-DIGEST /manifests/2/digest'],
    ],
    [
      'two images for one platform',
      index([entry('linux/amd64'), entry('linux/amd64', { digest: digestOf('b') })]),
      ['error E-DUP-PLATFORM /manifests/1/platform'],
    ],
    [
      'two images for one platform, spelled differently',
      index([entry('linux/arm64'), entry('linux/arm64/v8')]),
      ['warning E-DUP-PLATFORM /manifests/1/platform'],
    ],
    [
      'a general entry before a specific one',
      index([entry('linux/amd64'), entry('linux/amd64/v3')]),
      ['warning W-SHADOW /manifests/1/platform'],
    ],
    ['a specific entry before a general one', index([entry('linux/amd64/v3'), entry('linux/amd64')]), []],
    ['no platform', index([entry(undefined)]), ['warning E-PLAT-MISSING /manifests/0']],
    [
      'an empty os',
      index([entry(undefined, { platform: { architecture: 'amd64', os: '' } })]),
      ['warning E-PLAT-MISSING /manifests/0/platform'],
    ],
    ['an empty os, Docker', list([docker('/amd64')]), ['error E-PLAT-MISSING /manifests/0/platform']],
    [
      'no platform, Docker',
      list([{ mediaType: DOCKER_MANIFEST, digest: digestOf('x'), size: 1 }]),
      ['error E-SCHEMA /manifests/0'],
    ],
    [
      'a platform without architecture',
      index([entry(undefined, { platform: { os: 'linux' } })]),
      ['error E-SCHEMA /manifests/0/platform'],
    ],
    ['a platform that does not exist', index([entry('linux/sparc')]), ['warning W-PLAT-UNKNOWN /manifests/0/platform']],
    [
      'a variant that no client detects',
      index([entry('linux/riscv64/rva20u64')]),
      ['warning W-VARIANT /manifests/0/platform/variant'],
    ],
    ...['linux/amd64/v7', 'linux/amd64/v9', 'linux/arm/v44', 'linux/arm64/v77', 'linux/arm64/v8.10'].map(
      (platform): [string, unknown, string[]] => [
        `${platform}, which no client detects`,
        index([entry(platform), entry('linux/amd64')]),
        ['warning W-VARIANT /manifests/0/platform/variant'],
      ],
    ),
    ...['linux/amd64/v4', 'linux/arm/v5', 'linux/arm64/v8.1', 'linux/arm64/v9', 'linux/arm64/v9.5'].map(
      (platform): [string, unknown, string[]] => [
        `${platform}, which clients detect`,
        index([entry(platform), entry('linux/amd64')]),
        [],
      ],
    ),
    ['arm without a variant', index([entry('linux/arm')]), ['warning W-VARIANT /manifests/0/platform']],
    [
      'amd64/v3 without plain amd64',
      index([entry('linux/amd64/v3')]),
      ['warning W-VARIANT /manifests/0/platform/variant'],
    ],
    ['Windows without a version', index([windows(undefined, 'a')]), ['warning W-WIN-OSVER /manifests/0/platform']],
    [
      'Windows with an invalid version',
      index([windows('ltsc2022', 'a')]),
      ['error W-WIN-OSVER /manifests/0/platform/os.version'],
    ],
    ['Windows in two versions', index([windows('10.0.17763.1', 'a'), windows('10.0.20348.1', 'b')]), []],
    ['a nested index', index([entry(undefined, { mediaType: OCI })]), ['warning W-NESTED /manifests/0/mediaType']],
    [
      'a nested list, Docker',
      list([docker('linux/amd64', { mediaType: DOCKER })]),
      ['error W-NESTED /manifests/0/mediaType'],
    ],
    ['an OCI image in a Docker list', list([entry('linux/amd64')]), ['error E-MIX /manifests/0/mediaType']],
    ['a Docker image in an OCI index', index([docker('linux/amd64')]), ['warning E-MIX /manifests/0/mediaType']],
    [
      'a child of schema 1',
      index([entry('linux/amd64', { mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws' })]),
      ['error E-SCHEMA1 /manifests/0/mediaType', 'warning E-MIX /manifests/0/mediaType'],
    ],
    [
      'an attestation of an image that is not listed',
      index([entry('linux/amd64'), attestation(digestOf('gone'))]),
      ['warning W-ATT-ORPHAN /manifests/1/annotations'],
    ],
    [
      'an attestation with a platform',
      index([entry('linux/amd64'), attestation(digestOf('linux/amd64'), { platform: platform('linux/amd64') })]),
      ['error E-ATT-PLAT /manifests/1/platform'],
    ],
    [
      'a subject that is not a manifest',
      index(two, { subject: { mediaType: 'a/b', digest: digestOf('x'), size: 1 } }),
      ['error E-SUBJECT /subject/mediaType'],
    ],
    ['a subject that is an entry', index(two, { subject: two[0] }), ['warning E-SUBJECT /subject/digest']],
    [
      'annotations, Docker',
      list([docker('linux/amd64', { annotations: { a: 'b' } })], { annotations: {} }),
      ['error W-ANNOT /annotations', 'error W-ANNOT /manifests/0/annotations'],
    ],
    [
      'a reserved annotation',
      index(two, { annotations: { 'org.opencontainers.x': '' } }),
      ['warning W-ANNOT /annotations/org.opencontainers.x'],
    ],
    [
      'a reference name',
      index(two, { annotations: { 'org.opencontainers.image.ref.name': 'x' } }),
      ['warning W-ANNOT /annotations/org.opencontainers.image.ref.name'],
    ],
    ['an empty list', index([]), ['warning W-EMPTY /manifests']],
    [
      'a long list',
      index(
        Array.from({ length: 5_001 }, (_, at) =>
          entry(undefined, { digest: digestOf(String(at)), artifactType: 'a/b' }),
        ),
      ),
      ['warning E-SIZE4M '],
    ],
  ])('%s', (_name, document, expected) => {
    expect(check(document).map(brief)).toEqual(expected);
  });

  test('with strict, an unknown platform is an error', () => {
    expect(check(index([entry('linux/sparc')]), { strict: true }).map(brief)).toEqual([
      'error W-PLAT-UNKNOWN /manifests/0/platform',
    ]);
  });

  test('with allowDuplicates, duplicates are warnings', () => {
    const document = index([
      entry('linux/amd64'),
      entry('linux/amd64', { digest: digestOf('b') }),
      entry('linux/arm64', { digest: digestOf('linux/amd64') }),
    ]);
    expect(check(document, { allowDuplicates: true }).map(brief)).toEqual([
      'warning E-DUP-DIGEST /manifests/2/digest',
      'warning E-DUP-PLATFORM /manifests/1/platform',
    ]);
  });

  test('mediaType must equal the declared media type', () => {
    expect(check(index(two), { mediaType: DOCKER }).map(brief)).toEqual(['error E-TYPE /mediaType']);
  });
});

describe('other documents', () => {
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf('c'), size: 1 };
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf('l'), size: 1 };
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] };
  test.each<[string, unknown, object, readonly string[]]>([
    ['a manifest', manifest, {}, []],
    ['a manifest without a config', { ...manifest, config: undefined }, {}, ['error E-SCHEMA ']],
    ['a manifest with manifests', { ...manifest, manifests: [] }, {}, ['error E-AMBIG ']],
    [
      'a foreign layer',
      { ...manifest, layers: [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }] },
      {},
      ['warning W-FOREIGN /layers/0/mediaType'],
    ],
    [
      'the empty config without an artifact type',
      { ...manifest, config: { ...config, mediaType: 'application/vnd.oci.empty.v1+json' } },
      {},
      ['error E-ARTIFACT-TYPE /config/mediaType'],
    ],
    ['a config', { architecture: 'amd64', os: 'linux', variant: null }, {}, []],
    [
      'a config without os',
      { architecture: 'amd64' },
      { mediaType: 'application/vnd.oci.image.config.v1+json' },
      ['error E-SCHEMA '],
    ],
    ['a descriptor', config, {}, []],
    [
      'a descriptor without size',
      { ...config, size: undefined },
      { mediaType: 'application/vnd.oci.descriptor.v1+json' },
      ['error E-SCHEMA '],
    ],
    ['an unknown document', { a: 1 }, { mediaType: 'a/b' }, ['warning E-TYPE /mediaType']],
    ['an unknown document without a media type', { a: 1 }, {}, ['error E-TYPE ']],
    ['a manifest without a media type whose config is null', { config: null, layers: [] }, {}, ['error E-TYPE ']],
  ])('%s', (_name, document, options, expected) => {
    expect(check(document, options).map(brief)).toEqual(expected);
  });
});

describe('hostile documents', () => {
  const many = (item: string, count: number) =>
    `{"schemaVersion":2,"mediaType":"${OCI}","manifests":[${Array.from({ length: count }, () => item).join()}]}`;
  test.each<[string, string]>([
    ['2 million entries that are numbers', many('1', 2_000_000)],
    ['empty entries', many('{}', 1_000_000)],
    ['entries with only invalid members', many('{"mediaType":1,"digest":2,"size":"x","urls":{},"platform":3}', 60_000)],
    [
      'annotations that are not strings',
      `{"schemaVersion":2,"mediaType":"${OCI}","manifests":[],"annotations":{${Array.from({ length: 200_000 }, (_, at) => `"${at}":1`).join()}}}`,
    ],
    [
      'names in the wrong case',
      `{"schemaVersion":2,"mediaType":"${OCI}","manifests":[${Array.from({ length: 50_000 }, () => '{"SIZE":1}').join()}]}`,
    ],
    ['deep nesting', '['.repeat(4_000_000)],
  ])('%s: at most 100 problems', (_name, text) => {
    const problems = check(text);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThanOrEqual(100);
  });

  test('does not throw for any document', () => {
    const shape = fc.object({
      key: fc.constantFrom(
        'manifests',
        'mediaType',
        'platform',
        'digest',
        'size',
        'config',
        'layers',
        'os',
        '0',
        '__proto__',
      ),
      maxDepth: 4,
    });
    fc.assert(
      fc.property(shape, (document) => void check(document)),
      { numRuns: 500 },
    );
  });
});
