import { expect, test } from '@jest/globals';
import type { AttackHarness } from '../support/hostile-registry.ts';
import { list } from '../support/hostile-registry.ts';
import {
  attacked,
  bombed,
  commands,
  configPath,
  endless,
  layer,
  layerPath,
  longHeader,
  startAttacked,
  type,
  withstands,
  type Named,
} from '../support/attacks.ts';
import { Authority } from '../support/certificates.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { casesOf, pairsOf } from '../support/long.ts';
import { answer, RecordingProxy, hang, type Rule } from '../support/recording-proxy.ts';
import { sha256 } from '../support/images.ts';
import { describeWith } from '../support/programs.ts';

/** Attacks that redirect a command to another address or another name. */
startAttacked();

const redirect = (status: number, target: (attack: AttackHarness) => string): Rule => {
  return (exchange) => answer(status, { location: target(attacked) })(exchange);
};
const redirectToOtherServer = (status: number): Rule =>
  redirect(status, ({ otherServer }) => `${otherServer.url}/stolen`);
const toOtherName = (status: number): Rule =>
  redirect(status, ({ otherServer }) => `${new URL(otherServer.url).protocol}//localhost:${otherServer.port}/stolen`);

/** Answers every request with a Bearer challenge. The token service applies the rule. */
const tokens =
  (realm: (attack: AttackHarness) => string): Rule =>
  (exchange) =>
    answer(401, { 'www-authenticate': `Bearer realm="${realm(attacked)}",service="x"` })(exchange);

const redirects: readonly Named[] = [
  [
    'to another port, of a manifest',
    'read a manifest by digest',
    { pattern: /^GET .*manifests/, rule: redirectToOtherServer(307), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another host, of a manifest',
    'read a manifest by digest',
    { pattern: /^GET .*manifests/, rule: toOtherName(301), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another port, of a layer',
    'read layers',
    { pattern: layerPath, rule: redirectToOtherServer(302), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another host, of a config',
    'read a config',
    { pattern: configPath, rule: toOtherName(307), ends: 'CONTENT_MISMATCH', meets: 1 },
  ],
  [
    'to another port, of a list of tags',
    'list tags',
    { pattern: /tags/, rule: redirectToOtherServer(308), ends: 'REGISTRY', meets: 1 },
  ],
  [
    'to another port, of the referrers',
    'read referrers',
    { pattern: /referrers/, rule: redirectToOtherServer(307), ends: 'DOCUMENT_INVALID' },
  ],
  [
    'to another port, of an upload',
    'write',
    { pattern: /^PUT .*uploads/, rule: redirectToOtherServer(307), ends: 'REGISTRY' },
  ],
  [
    'to another port, of a tag that is put',
    'write',
    { pattern: /^PUT .*manifests\/v1/, rule: redirectToOtherServer(307), ends: 'REGISTRY', meets: 1 },
  ],
  [
    'to another port, of a deletion',
    'delete',
    { pattern: /^DELETE/, rule: redirectToOtherServer(307), ends: 'REGISTRY', meets: 1 },
  ],
  [
    'to a file',
    'read a manifest by tag',
    { pattern: /^GET .*manifests/, rule: redirect(307, () => 'file:///etc/passwd'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'to another scheme',
    'read a manifest by tag',
    {
      pattern: /^GET .*manifests/,
      rule: redirect(307, ({ otherServer }) => `gopher://${otherServer.host}/`),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  [
    'with a user name',
    'read a manifest by tag',
    {
      pattern: /^GET .*manifests/,
      rule: redirect(307, ({ otherServer }) => `http://a:b@${otherServer.host}/`),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  [
    'in circles',
    'read layers',
    {
      pattern: layerPath,
      rule: redirect(307, ({ proxy }) => `${proxy.url}/v2/team/app/blobs/${sha256(layer)}`),
      ends: 'REGISTRY',
    },
  ],
];

const uploads: readonly Named[] = [
  ['on another port', 'write', { pattern: /^POST/, rule: redirectToOtherServer(202), ends: 'REGISTRY' }],
  ['on another host', 'write', { pattern: /^POST/, rule: toOtherName(202), ends: 'REGISTRY' }],
  ['on another port, after a mount', 'mount', { pattern: /^POST/, rule: redirectToOtherServer(202), ends: 'REGISTRY' }],
  [
    'of another scheme',
    'write',
    { pattern: /^POST/, rule: redirect(202, () => 'file:///tmp/stolen'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'with a user name',
    'write',
    {
      pattern: /^POST/,
      rule: redirect(202, ({ otherServer }) => `http://a:b@${otherServer.host}/`),
      ends: 'FORBIDDEN_ADDRESS',
    },
  ],
  ['that is not a URL', 'write', { pattern: /^POST/, rule: redirect(202, () => 'http://['), ends: 'REGISTRY' }],
];

const realms: readonly Named[] = [
  [
    'on another port',
    'read a manifest by tag',
    { pattern: /./, rule: tokens(({ otherServer }) => `${otherServer.url}/token`), ends: 'UNAUTHORIZED' },
  ],
  [
    'on another host',
    'write',
    {
      pattern: /./,
      rule: tokens(({ otherServer }) => `${new URL(otherServer.url).protocol}//localhost:${otherServer.port}/token`),
      ends: 'UNAUTHORIZED',
    },
  ],
  [
    'of another scheme',
    'list tags',
    { pattern: /./, rule: tokens(() => 'ftp://127.0.0.1/token'), ends: 'FORBIDDEN_ADDRESS' },
  ],
  [
    'that redirects to another server',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ proxy }) => `${proxy.url}/token`),
      ends: 'REGISTRY',
      also: [[/\/token/, redirectToOtherServer(307)]],
    },
  ],
  [
    'that answers with a zip bomb',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ proxy }) => `${proxy.url}/token`),
      ends: 'REGISTRY',
      also: [[/\/token/, bombed]],
    },
  ],
  [
    'that answers without an end',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ proxy }) => `${proxy.url}/token`),
      ends: 'DOCUMENT_INVALID',
      also: [[/\/token/, endless]],
    },
  ],
  [
    'that answers with a header of 1 MiB',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ proxy }) => `${proxy.url}/token`),
      ends: 'NETWORK',
      also: [[/\/token/, answer(200, longHeader)]],
    },
  ],
  [
    'that never answers',
    'read a manifest by tag',
    {
      pattern: /\/v2\//,
      rule: tokens(({ proxy }) => `${proxy.url}/token`),
      ends: 'TIMEOUT',
      also: [[/\/token/, hang]],
    },
  ],
];

const next = (path: string): string => `<${attacked.otherServer.url}/v2/team/app/${path}?last=a>; rel="next"`;
const links: readonly Named[] = [
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

withstands([
  ['a redirect', casesOf(redirects, 2)],
  ['an upload location', casesOf(uploads, 2)],
  ['a link to another host', casesOf(links, 2)],
]);
withstands([['a token realm', casesOf(realms, 2)]], { everybody: true });

describeWith('openssl', 'from https to http, and into private networks', () => {
  /** Runs a command against `registry.example`, which has TLS. `http` has the same name without TLS. */
  async function publicly(
    what: 'redirect' | 'upload location' | 'token realm',
    address: string,
    work: (result: Awaited<ReturnType<AttackHarness['run']>>, plain: RecordingProxy) => void | Promise<void>,
  ): Promise<void> {
    const authority = new Authority(attacked.cli.folder);
    const secure = await RecordingProxy.start({
      tls: authority.sign('server', ['registry.example']),
      upstream: attacked.honest.url,
    });
    const plain = await RecordingProxy.start();
    const hosts = { 'registry.example:443': secure.port, 'registry.example:80': plain.port };
    const forwardProxy = await ForwardProxy.start({ hosts });
    if (what === 'redirect') secure.on(/^GET .*manifests/, answer(307, { location: address }));
    if (what === 'upload location') secure.on(/^POST/, answer(202, { location: address }));
    if (what === 'token realm') secure.on(/./, answer(401, { 'www-authenticate': `Bearer realm="${address}"` }));
    const command = what === 'upload location' ? 'write' : 'read a manifest by tag';
    const trust = ['--ca-file', authority.certificate.certFile];
    const result = await attacked.run(commands[command]('registry.example'), trust, {
      ...forwardProxy.env,
      NO_PROXY: '127.0.0.1',
    });
    try {
      await work(result, plain);
    } finally {
      await Promise.all([forwardProxy.close(), secure.close(), plain.close()]);
    }
  }

  const ways = ['redirect', 'upload location', 'token realm'] as const;
  const addresses = ['http://registry.example/', 'https://127.0.0.1/', 'https://169.254.169.254/latest/meta-data/'];
  test.each(pairsOf(ways, addresses))('a %s to %s', async (what, address) => {
    await publicly(what, address, async (result, plain) => {
      expect(result.errors).toContain('FORBIDDEN_ADDRESS');
      expect(plain.requests).toHaveLength(0);
      attacked.expectNoLeak(result, [plain]);
      await attacked.expectNothingNamed();
    });
  });
});
