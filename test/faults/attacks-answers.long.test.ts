import { describe, expect, test } from '@jest/globals';
import { image, list, other } from '../support/hostile-registry.ts';
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
import { casesOf } from '../support/long.ts';
import { answer, hang, type Rule } from '../support/recording-proxy.ts';

/** Attacks with responses of the registry, and with missing responses. */
startAttacked();

const wrongDigest = { 'docker-content-digest': other.digest };

/** Refuses requests of more than a MiB. */
const onlySmall: Rule = (exchange) =>
  Number(exchange.seen.headers['content-length']) > 2 ** 20 ? answer(413)(exchange) : exchange.pass();

/** Sends the beginning of a response, and then stops. */
const stalls =
  (bytes: Uint8Array): Rule =>
  ({ response, request }) => {
    request.resume();
    response.writeHead(200, { ...type, 'content-length': bytes.length });
    response.write(bytes.subarray(0, 10));
  };

const bodies: readonly Named[] = [
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

const floods: readonly Named[] = [
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
    { pattern: /^GET .*manifests/, rule: bombed, ends: 'DOCUMENT_INVALID' },
  ],
  ['a layer that is a zip bomb', 'read layers', { pattern: layerPath, rule: bombed, ends: 'CONTENT_MISMATCH' }],
  ['a config that is a zip bomb', 'read a config', { pattern: configPath, rule: bombed, ends: 'DOCUMENT_INVALID' }],
  ['tags that are a zip bomb', 'list tags', { pattern: /tags/, rule: bombed, ends: 'DOCUMENT_INVALID' }],
  ['referrers that are a zip bomb', 'read referrers', { pattern: /referrers/, rule: bombed, ends: 'DOCUMENT_INVALID' }],
];

const hangs: readonly Named[] = [
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

/** The page of a web server that also serves other sites. */
const switching: Rule = ({ request }) => {
  request.socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n');
};
const switches: readonly Named[] = [
  ['a manifest', 'read a manifest by tag', { pattern: /^GET .*manifests/, rule: switching, ends: 'NETWORK' }],
  ['a layer', 'read layers', { pattern: layerPath, rule: switching, ends: 'NETWORK' }],
  ['an upload', 'write', { pattern: /^PUT .*uploads/, rule: switching, ends: 'NETWORK' }],
  ['a tag that is put', 'write', { pattern: /^PUT .*manifests\/v1/, rule: switching, ends: 'NETWORK' }],
];

withstands([
  ['something else than was asked for:', casesOf(bodies, 2)],
  ['too much:', casesOf(floods, 2)],
  ['an answer that never comes, to', casesOf(hangs, 2)],
  ['another protocol after', casesOf(switches, 2)],
]);

describe('a layer that arrives slowly', () => {
  test('ends at the deadline', async () => {
    const trickle: Rule = ({ response, request }) => {
      request.resume();
      response.writeHead(200, { 'content-length': layer.length });
      const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write(' ')), 300);
    };
    attacked.arm(layerPath, trickle);
    const args = commands['read layers'](attacked.proxy.host);
    const result = await attacked.untilRequested([layerPath], (limit) =>
      attacked.cli.run([...args, '--deadline', limit], { cwd: attacked.work }),
    );
    expect([result.code, result.stderr]).toEqual([
      7,
      expect.stringMatching(/the command did not finish within \d\S+: still waiting to read \S+@sha256:/),
    ]);
    await attacked.expectNothingNamed();
  });
});
