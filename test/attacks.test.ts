import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { tarOf, type Member } from './content/archive/tar-bytes.ts';
import { Attacked, image, list, other } from './support/attacked.ts';
import { Authority } from './support/certificates.ts';
import { ForwardProxy } from './support/forward-proxy.ts';
import { answer, Front, hang, type Rule } from './support/front.ts';
import { makeImage, sha256 } from './support/images.ts';
import { putInLayout } from './support/layouts.ts';
import { describeWith } from './support/programs.ts';

/**
 * The attacks that mlist withstands, on real sockets and real files, through the command line. Each ends in an error that
 * says what is wrong, long before the deadline; nobody but the registry sees the login; nothing is written outside its
 * place; no name points at anything that did not arrive whole. What the parts do against single variants is tested with
 * them: test/content/registry/trust.test.ts, test/content/archive/tar-file.test.ts, test/content/layout.test.ts.
 */
let attacked: Attacked;
beforeEach(async () => {
  attacked = await Attacked.start();
});
afterEach(() => attacked.close());

/** The commands that are attacked, by what they ask of the registry. */
const commands = {
  'read a manifest by tag': (host: string) => ['inspect', '--raw', `${host}/team/app:v1`],
  'read a manifest by digest': (host: string) => ['inspect', '--raw', `${host}/team/app@${list.digest}`],
  'look at a tag': (host: string) => ['resolve', `${host}/team/app:v1`],
  'read a config': (host: string) => ['create', 'x.io/a:b', `${host}/team/app@${image.digest}`],
  'read layers': (host: string) => ['copy', `${host}/team/app:v1`, 'oci:there:v1'],
  'read referrers': (host: string) => ['copy', `${host}/team/app:v1`, 'oci:there:v1', '--referrers'],
  'list tags': (host: string) => ['tags', `${host}/team/app`],
  write: (host: string) => ['copy', `${attacked.honest.host}/team/app:v1`, `${host}/team/new:v1`],
  mount: (host: string) => ['copy', `${host}/team/app:v1`, `${host}/team/new:v1`],
  delete: (host: string) => ['delete', `${host}/team/app:v1`],
} as const;

type Command = keyof typeof commands;

const layer = image.blobs[1]!;
const layerPath = new RegExp(`^GET .*blobs/${sha256(layer)}`);
const configPath = new RegExp(`^GET .*blobs/${sha256(image.blobs[0]!)}`);
const type = { 'content-type': list.mediaType };
const wrongDigest = { 'docker-content-digest': other.digest };
const longHeader = { 'x-long': 'x'.repeat(2 ** 20) };
/** 256 MiB of zeros, in 256 KiB. */
const bomb = gzipSync(Buffer.alloc(2 ** 28));
const bombed: Rule = (exchange) => answer(200, { ...type, 'content-encoding': 'gzip' }, bomb)(exchange);

const endless: Rule = ({ response, request }) => {
  request.resume();
  response.writeHead(200, type);
  const write = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
};

/** Takes no request of more than a MiB. */
const onlySmall: Rule = (exchange) =>
  Number(exchange.seen.headers['content-length']) > 2 ** 20 ? answer(413)(exchange) : exchange.pass();

/** Begins to answer, and goes no further. */
const stalls =
  (bytes: Uint8Array): Rule =>
  ({ response, request }) => {
    request.resume();
    response.writeHead(200, { ...type, 'content-length': bytes.length });
    response.write(bytes.subarray(0, 10));
  };

const leads = (status: number, target: (attack: Attacked) => string): Rule => {
  return (exchange) => answer(status, { location: target(attacked) })(exchange);
};
const toStranger = (status: number): Rule => leads(status, ({ stranger }) => `${stranger.url}/stolen`);
const toOtherName = (status: number): Rule =>
  leads(status, ({ stranger }) => `http://localhost:${stranger.port}/stolen`);

/** A Bearer challenge, whoever comes; the service behind it answers by the rule. */
const tokens =
  (realm: (attack: Attacked) => string): Rule =>
  (exchange) =>
    answer(401, { 'www-authenticate': `Bearer realm="${realm(attacked)}",service="x"` })(exchange);

interface Attack {
  readonly pattern: RegExp;
  readonly rule: Rule;
  /** Error codes without `ERR_MLIST_`; undefined: the command may succeed, since nothing was given away. */
  readonly ends: string | undefined;
  /** Requests of the stranger; default: none. */
  readonly meets?: number;
  readonly retries?: number;
  /** More rules. */
  readonly also?: readonly (readonly [RegExp, Rule])[];
}

const redirects: readonly [string, Command, Attack][] = [
  [
    'to another port, of a manifest',
    'read a manifest by digest',
    { pattern: /^GET .*manifests/, rule: toStranger(307), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another host, of a manifest',
    'read a manifest by digest',
    { pattern: /^GET .*manifests/, rule: toOtherName(301), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another port, of a layer',
    'read layers',
    { pattern: layerPath, rule: toStranger(302), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another host, of a config',
    'read a config',
    { pattern: configPath, rule: toOtherName(307), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another port, of a list of tags',
    'list tags',
    { pattern: /tags/, rule: toStranger(308), ends: 'REGISTRY', meets: 1 },
  ],
  [
    'to another port, of the referrers',
    'read referrers',
    { pattern: /referrers/, rule: toStranger(307), ends: 'DOCUMENT_INVALID' },
  ],
  ['to another port, of an upload', 'write', { pattern: /^PUT .*uploads/, rule: toStranger(307), ends: 'REGISTRY' }],
  [
    'to another port, of a tag that is put',
    'write',
    { pattern: /^PUT .*manifests\/v1/, rule: toStranger(307), ends: undefined, meets: 1 },
  ],
  [
    'to another port, of a deletion',
    'delete',
    { pattern: /^DELETE/, rule: toStranger(307), ends: undefined, meets: 1 },
  ],
  [
    'to a file',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: leads(307, () => 'file:///etc/passwd'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'to another scheme',
    'read a manifest by tag',
    {
      pattern: /^GET .*manifests/,
      rule: leads(307, ({ stranger }) => `gopher://${stranger.host}/`),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  [
    'with a user name',
    'read a manifest by tag',
    {
      pattern: /^GET .*manifests/,
      rule: leads(307, ({ stranger }) => `http://a:b@${stranger.host}/`),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  [
    'in circles',
    'read layers',
    {
      pattern: layerPath,
      rule: leads(307, ({ front }) => `${front.url}/v2/team/app/blobs/${sha256(layer)}`),
      ends: 'REGISTRY',
    },
  ],
];

const uploads: readonly [string, Command, Attack][] = [
  ['on another port', 'write', { pattern: /^POST/, rule: toStranger(202), ends: 'REGISTRY' }],
  ['on another host', 'write', { pattern: /^POST/, rule: toOtherName(202), ends: 'REGISTRY' }],
  ['on another port, after a mount', 'mount', { pattern: /^POST/, rule: toStranger(202), ends: 'REGISTRY' }],
  [
    'of another scheme',
    'write',
    { pattern: /^POST/, rule: leads(202, () => 'file:///tmp/stolen'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'with a user name',
    'write',
    { pattern: /^POST/, rule: leads(202, ({ stranger }) => `http://a:b@${stranger.host}/`), ends: 'FORBIDDEN_ADDRESS' },
  ],
  ['that is none', 'write', { pattern: /^POST/, rule: leads(202, () => 'http://['), ends: 'REGISTRY' }],
];

const realms: readonly [string, Command, Attack][] = [
  [
    'on another port',
    'read a manifest by tag',
    { pattern: /./, rule: tokens(({ stranger }) => `${stranger.url}/token`), ends: 'UNAUTHORIZED' },
  ],
  [
    'on another host',
    'write',
    { pattern: /./, rule: tokens(({ stranger }) => `http://localhost:${stranger.port}/token`), ends: 'UNAUTHORIZED' },
  ],
  [
    'of another scheme',
    'list tags',
    { pattern: /./, rule: tokens(() => 'ftp://127.0.0.1/token'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'that redirects to a stranger',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ front }) => `${front.url}/token`),
      ends: 'REGISTRY',
      also: [[/\/token/, toStranger(307)]],
    },
  ],
  [
    'that answers with a zip bomb',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ front }) => `${front.url}/token`),
      ends: 'REGISTRY',
      also: [[/\/token/, bombed]],
    },
  ],
  [
    'that answers without an end',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ front }) => `${front.url}/token`),
      ends: 'DOCUMENT_INVALID',
      also: [[/\/token/, endless]],
    },
  ],
  [
    'that answers with a header of 1 MiB',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ front }) => `${front.url}/token`),
      ends: 'NETWORK',
      also: [[/\/token/, answer(200, longHeader)]],
    },
  ],
  [
    'that never answers',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ front }) => `${front.url}/token`),
      ends: 'TIMEOUT',
      also: [[/\/token/, hang]],
    },
  ],
];

const bodies: readonly [string, Command, Attack][] = [
  [
    'a manifest with another digest',
    'read a manifest by digest',
    { pattern: /^GET .*manifests/, rule: answer(200, type, other.bytes), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a child with another digest',
    'read layers',
    {
      pattern: /^GET .*manifests\/sha256/,
      rule: answer(200, { 'content-type': image.mediaType }, other.bytes),
      ends: 'CONTENT_MISMATCH',
    },
  ],
  [
    'a child of another length',
    'read layers',
    {
      pattern: /^GET .*manifests\/sha256/,
      rule: answer(200, { 'content-type': image.mediaType }, image.bytes.subarray(1)),
      ends: 'CONTENT_MISMATCH',
    },
  ],
  [
    'a list that is said to be an image',
    'read layers',
    {
      pattern: /^GET .*manifests\/v1/,
      rule: answer(200, { 'content-type': image.mediaType }, list.bytes),
      ends: 'DOCUMENT_INVALID',
    },
  ],
  [
    'an image that is said to be a list',
    'read layers',
    { pattern: /^GET .*manifests\/v1/, rule: answer(200, type, image.bytes), ends: 'DOCUMENT_INVALID' },
  ],
  [
    'a config with another digest',
    'read a config',
    { pattern: configPath, rule: answer(200, {}, Buffer.alloc(image.blobs[0]!.length, ' ')), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a layer with another digest',
    'read layers',
    { pattern: layerPath, rule: answer(200, {}, Buffer.alloc(layer.length)), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a layer that is longer',
    'read layers',
    { pattern: layerPath, rule: answer(200, {}, Buffer.concat([layer, layer])), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a layer that is shorter',
    'read layers',
    { pattern: layerPath, rule: answer(200, {}, layer.subarray(1)), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a manifest whose header names another',
    'read a manifest by tag',
    {
      pattern: /^GET .*manifests/,
      rule: answer(200, { ...type, ...wrongDigest }, list.bytes),
      ends: 'CONTENT_MISMATCH',
    },
  ],
  [
    'a layer whose header names another',
    'read layers',
    { pattern: layerPath, rule: answer(200, wrongDigest, layer), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a layer that was put as another',
    'write',
    { pattern: /^PUT .*uploads/, rule: answer(201, wrongDigest), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a child that was put as another',
    'write',
    { pattern: /^PUT .*manifests\/sha256/, rule: answer(201, wrongDigest), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a tag that was put as another',
    'write',
    { pattern: /^PUT .*manifests\/v1/, rule: answer(201, wrongDigest), ends: 'CONTENT_MISMATCH' },
  ],
  [
    'a layer that was mounted as another',
    'mount',
    { pattern: /^POST/, rule: answer(201, wrongDigest), ends: 'CONTENT_MISMATCH' },
  ],
];

const floods: readonly [string, Command, Attack][] = [
  [
    'a header of 1 MiB with a manifest',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: answer(200, { ...type, ...longHeader }, list.bytes), ends: 'NETWORK' },
  ],
  [
    'a header of 1 MiB with a layer',
    'read layers',
    { pattern: layerPath, rule: answer(200, longHeader, layer), ends: 'NETWORK' },
  ],
  [
    'a header of 1 MiB when an upload is opened',
    'write',
    { pattern: /^POST/, rule: answer(202, longHeader), ends: 'NETWORK' },
  ],
  [
    'a header of 1 MiB when a tag is put',
    'write',
    { pattern: /^PUT .*manifests\/v1/, rule: answer(201, longHeader), ends: 'NETWORK' },
  ],
  [
    'a manifest without an end',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: endless, ends: 'DOCUMENT_INVALID' },
  ],
  ['a layer without an end', 'read layers', { pattern: layerPath, rule: endless, ends: 'CONTENT_MISMATCH' }],
  ['a config without an end', 'read a config', { pattern: configPath, rule: endless, ends: 'DOCUMENT_INVALID' }],
  ['tags without an end', 'list tags', { pattern: /tags/, rule: endless, ends: 'DOCUMENT_INVALID' }],
  ['referrers without an end', 'read referrers', { pattern: /referrers/, rule: endless, ends: 'DOCUMENT_INVALID' }],
  [
    'an answer to an upload without an end',
    'write',
    { pattern: /^PUT .*uploads/, rule: endless, ends: 'DOCUMENT_INVALID' },
  ],
  [
    'an answer to a tag without an end',
    'write',
    { pattern: /^PUT .*manifests\/v1/, rule: endless, ends: 'DOCUMENT_INVALID' },
  ],
  [
    'a manifest that is a zip bomb',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: bombed, ends: 'CONTENT_MISMATCH' },
  ],
  ['a layer that is a zip bomb', 'read layers', { pattern: layerPath, rule: bombed, ends: 'CONTENT_MISMATCH' }],
  ['a config that is a zip bomb', 'read a config', { pattern: configPath, rule: bombed, ends: 'CONTENT_MISMATCH' }],
  ['tags that are a zip bomb', 'list tags', { pattern: /tags/, rule: bombed, ends: 'REGISTRY' }],
  ['referrers that are a zip bomb', 'read referrers', { pattern: /referrers/, rule: bombed, ends: 'DOCUMENT_INVALID' }],
];

const hangs: readonly [string, Command, Attack][] = [
  ['a manifest', 'read a manifest by tag', { pattern: /^GET .*manifests/, rule: hang, ends: 'TIMEOUT' }],
  [
    'a manifest, half way',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: stalls(list.bytes), ends: 'TIMEOUT' },
  ],
  ['a tag that is looked at', 'look at a tag', { pattern: /^(?:HEAD|GET) .*manifests/, rule: hang, ends: 'TIMEOUT' }],
  ['a layer', 'read layers', { pattern: layerPath, rule: hang, ends: 'TIMEOUT' }],
  ['a layer, half way', 'read layers', { pattern: layerPath, rule: stalls(layer), ends: 'TIMEOUT' }],
  ['a config', 'read a config', { pattern: configPath, rule: hang, ends: 'TIMEOUT' }],
  ['tags', 'list tags', { pattern: /tags/, rule: hang, ends: 'TIMEOUT' }],
  ['referrers', 'read referrers', { pattern: /referrers/, rule: hang, ends: 'TIMEOUT' }],
  ['the opening of an upload', 'write', { pattern: /^POST/, rule: hang, ends: 'TIMEOUT' }],
  ['a mount', 'mount', { pattern: /^POST/, rule: hang, ends: 'TIMEOUT' }],
  ['an upload', 'write', { pattern: /^PUT .*uploads/, rule: hang, ends: 'TIMEOUT' }],
  [
    'a chunk of an upload',
    'write',
    { pattern: /^PATCH/, rule: hang, ends: 'TIMEOUT', also: [[/^PUT .*uploads/, onlySmall]], retries: 1 },
  ],
  ['a child that is put', 'write', { pattern: /^PUT .*manifests\/sha256/, rule: hang, ends: 'TIMEOUT' }],
  ['a tag that is put', 'write', { pattern: /^PUT .*manifests\/v1/, rule: hang, ends: 'TIMEOUT' }],
  ['a deletion', 'delete', { pattern: /^DELETE/, rule: hang, ends: 'TIMEOUT' }],
];

const next = (path: string): string => `<${attacked.stranger.url}/v2/team/app/${path}?last=a>; rel="next"`;
const links: readonly [string, Command, Attack][] = [
  [
    'to more tags',
    'list tags',
    {
      pattern: /tags/,
      rule: (exchange) => answer(200, { link: next('tags/list') }, '{"tags":["a"]}')(exchange),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  [
    'to more referrers',
    'read referrers',
    {
      pattern: /referrers/,
      rule: (exchange) => answer(200, { ...type, link: next(`referrers/${list.digest}`) }, list.bytes)(exchange),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
];

describe.each([
  ['a redirect', redirects],
  ['an upload location', uploads],
  ['a token realm', realms],
  ['something else than was asked for:', bodies],
  ['too much:', floods],
  ['an answer that never comes, to', hangs],
  ['a link to another host', links],
])('%s', (_, attacks) => {
  test.each(attacks)(
    '%s, when commands %s',
    async (_name, command, { pattern, rule, ends, meets, retries = 0, also = [] }) => {
      attacked.arm(pattern, rule, attacks === realms);
      for (const [more, does] of also) attacked.arm(more, does, attacks === realms);
      const before = await attacked.surroundings();
      const ran = await attacked.run([...commands[command](attacked.front.host), '--retries', String(retries)]);
      expect(attacked.front.asked(pattern).length).toBeGreaterThan(0);
      if (ends === undefined) expect(ran.code).toBe(0);
      else expect(ran.errors).toContain(ends);
      if (meets !== undefined) expect(attacked.stranger.seen).toHaveLength(meets);
      attacked.expectNoLeak(ran);
      await attacked.expectNothingNamed();
      expect(await attacked.surroundings()).toEqual(before);
    },
  );
});

describe('a layer that trickles', () => {
  test('ends at the deadline at the latest', async () => {
    const trickle: Rule = ({ response, request }) => {
      request.resume();
      response.writeHead(200, { 'content-length': layer.length });
      const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write(' ')), 300);
    };
    attacked.arm(layerPath, trickle);
    const args = commands['read layers'](attacked.front.host);
    const ran = await attacked.world.run([...args, '--deadline', '2s'], { cwd: attacked.work });
    expect([ran.code, ran.stderr]).toEqual([7, expect.stringMatching(/not done within 2s/)]);
    await attacked.expectNothingNamed();
  });
});

describeWith('openssl', 'from https to http, and into private networks', () => {
  /** Runs a command against `registry.example`, which has TLS; `http` is the same name without it. */
  async function publicly(
    what: 'redirect' | 'upload location' | 'token realm',
    address: string,
    work: (ran: Awaited<ReturnType<Attacked['run']>>, plain: Front) => void | Promise<void>,
  ): Promise<void> {
    const authority = new Authority(attacked.world.folder);
    const secure = await Front.start({
      tls: authority.sign('server', ['registry.example']),
      upstream: attacked.honest.url,
    });
    const plain = await Front.start();
    const hosts = { 'registry.example:443': secure.port, 'registry.example:80': plain.port };
    const proxy = await ForwardProxy.start({ hosts });
    if (what === 'redirect') secure.on(/^GET .*manifests/, answer(307, { location: address }));
    if (what === 'upload location') secure.on(/^POST/, answer(202, { location: address }));
    if (what === 'token realm') secure.on(/./, answer(401, { 'www-authenticate': `Bearer realm="${address}"` }));
    const command = what === 'upload location' ? 'write' : 'read a manifest by tag';
    const trust = ['--ca-file', authority.certificate.certFile];
    const ran = await attacked.run(commands[command]('registry.example'), trust, {
      ...proxy.env,
      NO_PROXY: '127.0.0.1',
    });
    try {
      await work(ran, plain);
    } finally {
      await Promise.all([proxy.close(), secure.close(), plain.close()]);
    }
  }

  const ways = ['redirect', 'upload location', 'token realm'] as const;
  const addresses = ['http://registry.example/', 'https://127.0.0.1/', 'https://169.254.169.254/latest/meta-data/'];
  test.each(ways.flatMap((what) => addresses.map((address) => [what, address] as const)))(
    'a %s to %s',
    async (what, address) => {
      await publicly(what, address, async (ran, plain) => {
        expect(ran.errors).toContain('FORBIDDEN_ADDRESS');
        expect(plain.seen).toHaveLength(0);
        attacked.expectNoLeak(ran, [plain]);
        await attacked.expectNothingNamed();
      });
    },
  );
});

const symlinks = process.platform === 'win32' ? test.skip : test;

describe('an archive with', () => {
  const index = (digest: string): Member => ({
    name: 'index.json',
    content: JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: image.mediaType, digest, size: 2 }] }),
  });
  const header = { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' };
  const blob = `blobs/sha256/${image.digest.slice('sha256:'.length)}`;
  const docker = (item: object): Member => ({ name: 'manifest.json', content: JSON.stringify([item]) });
  const evil = [
    ['a name that begins with ..', 'oci', [{ name: '../evil' }]],
    ['a name that leads out in its midst', 'oci', [{ name: 'blobs/../../evil' }]],
    ['an absolute name', 'oci', [{ name: '/tmp/evil' }]],
    [
      'a symbolic link that leads out',
      'oci',
      [header, index(image.digest), { name: blob, type: '2', link: '../../../secret' }],
    ],
    ['an absolute symbolic link', 'oci', [header, index(image.digest), { name: blob, type: '2', link: '/etc/passwd' }]],
    ['a hard link that leads out', 'oci', [header, index(image.digest), { name: blob, type: '1', link: '../secret' }]],
    ['a device', 'oci', [header, index(image.digest), { name: blob, type: '3' }]],
    ['a digest that leads out', 'oci', [header, index('sha256:../../../secret')]],
    ['a config that leads out', 'docker', [docker({ Config: '../secret', RepoTags: [], Layers: [] })]],
    [
      'a layer that is absolute',
      'docker',
      [docker({ Config: 'a.json', RepoTags: [], Layers: ['/etc/passwd'] }), { name: 'a.json', content: '{}' }],
    ],
    [
      'a layer that links out',
      'docker',
      [
        docker({ Config: 'a.json', RepoTags: [], Layers: ['a/layer.tar'] }),
        { name: 'a/layer.tar', type: '2', link: '../../secret' },
      ],
    ],
  ] as const;

  test.each<readonly [string, 'oci' | 'docker', readonly Member[]]>(evil)('%s (%s)', async (_, kind, members) => {
    await writeFile(join(attacked.work, 'evil.tar'), tarOf(...members));
    const before = await attacked.surroundings();
    for (const args of [
      ['copy', `${kind}-archive:evil.tar`, 'oci:there:v1'],
      ['copy', `${kind}-archive:evil.tar`, 'oci-archive:there.tar:v1'],
      ['create', 'x.io/a:b', `${kind}-archive:evil.tar`],
      ['inspect', `${kind}-archive:evil.tar`],
    ]) {
      expect((await attacked.run(args)).errors).toEqual(['DOCUMENT_INVALID']);
    }
    expect(await attacked.surroundings()).toEqual(before);
    expect((await readdir(attacked.work)).filter((name) => name !== 'there')).toEqual(['evil.tar']);
    await attacked.expectNothingNamed();
  });
});

describe('a layout with a link that leads out:', () => {
  const pathOf = (digest: string): string => join('blobs', ...digest.split(':'));
  const parts: readonly (readonly [string, string])[] = [
    ['oci-layout', 'oci-layout'],
    ['index.json', 'index.json'],
    ['the folder of blobs', 'blobs'],
    ['the folder of an algorithm', join('blobs', 'sha256')],
    ['a manifest', pathOf(image.digest)],
    ['a layer', pathOf(sha256(layer))],
  ];

  /** A layout whose part lies in `outside`, behind a link. */
  async function linked(part: string): Promise<string> {
    const dir = join(attacked.work, 'layout');
    await putInLayout(dir, image, 'v1');
    const outside = join(attacked.world.folder, 'outside');
    await mkdir(outside);
    await rename(join(dir, part), join(outside, 'part'));
    await symlink(join(outside, 'part'), join(dir, part));
    return dir;
  }

  symlinks.each(parts)('%s, read', async (_, part) => {
    await linked(part);
    const before = await attacked.surroundings();
    for (const target of ['oci:there:v1', `${attacked.front.host}/team/new:v1`]) {
      expect((await attacked.run(['copy', 'oci:layout:v1', target])).errors).toEqual(['DOCUMENT_INVALID']);
    }
    await attacked.expectNothingNamed();
    expect(await attacked.surroundings()).toEqual(before);
  });

  symlinks.each(parts.slice(0, 4))('%s, written', async (_, part) => {
    const dir = await linked(part);
    const index = await readFile(join(dir, 'index.json'));
    const before = await attacked.surroundings();
    const ran = await attacked.run(['copy', `${attacked.honest.host}/team/app:v1`, 'oci:layout:new']);
    expect(new Set(ran.errors)).toEqual(new Set(['DOCUMENT_INVALID']));
    expect(await attacked.surroundings()).toEqual(before);
    expect(await readFile(join(dir, 'index.json'))).toEqual(index);
  });

  test('a layer by a digest that leads out', async () => {
    const layers = [{ mediaType: 'application/x', size: 6, digest: 'sha256:../../../../secret' }];
    const bad = makeImage({ salt: 'bad', kind: 'oci', manifest: { layers } });
    await writeFile(join(attacked.world.folder, 'secret'), 'secret');
    await putInLayout(join(attacked.work, 'layout'), bad, 'v1');
    const target = `${attacked.honest.host}/team/new:v1`;
    expect((await attacked.run(['copy', 'oci:layout:v1', target])).errors).toEqual(['DOCUMENT_INVALID']);
    await attacked.expectNothingNamed();
  });
});
