import { expect, test } from '@jest/globals';
import { Authority } from '../../support/certificates.ts';
import { casesOf, isLong } from '../../support/long.ts';
import { describeWith } from '../../support/programs.ts';
import type { ManifestContent } from '../../../src/store/store.ts';
import { answer, type RecordingProxyOptions, type Rule } from '../../support/recording-proxy.ts';
import { bytesOf, withFolder } from '../samples.ts';
import { cleanup, layerOf, put, repository, served, session } from './setup.ts';

/** Uploads blobs to one registry while they are downloaded from another. */

const MIB = 1024 * 1024;
/** Of the blobs. */
const LENGTHS = isLong ? [9_300_001, 7_777_777, 6_000_000] : [5_300_001, 4_777_777];

const uploads: readonly [string, Rule][] = [
  ['in one request each', ({ pass }) => pass()],
  // Half of a blob size is not a multiple of the length of a chunk.
  [
    'in requests that end within a chunk',
    (exchange) =>
      Number(exchange.request.headers['content-length']) > 4 * MIB ? answer(413)(exchange) : exchange.pass(),
  ],
];

async function forwards(puts: Rule, tls?: RecordingProxyOptions['tls'], caFile?: string): Promise<void> {
  const [from, to] = [await served({}, { tls }), await served({}, { tls })];
  const blobs: readonly ManifestContent[] = LENGTHS.map((length) => layerOf(length, String(length)));
  for (const blob of blobs) await put(repository(cleanup(session({ caFile })), from.host, 'from'), blob);
  to.proxy.on(/^(?:PUT|PATCH)/, puts);
  const used = session({ caFile });
  const [source, target] = [repository(used, from.host, 'from'), repository(used, to.host, 'to')];
  await Promise.all(blobs.map(({ descriptor }) => target.putBlob(descriptor, () => source.readBlob(descriptor))));
  for (const { descriptor, bytes } of blobs)
    expect((await bytesOf(target.readBlob(descriptor))).equals(bytes)).toBe(true);
}

test.each(casesOf(uploads, 2))('uploads several blobs while they are downloaded, %s', (_name, puts) => forwards(puts));

describeWith('openssl', 'over https', () => {
  test.each(casesOf(uploads, 2, 1))('uploads several blobs while they are downloaded, %s', (_name, puts) =>
    withFolder(async (folder) => {
      const authority = new Authority(folder);
      await forwards(puts, authority.sign('server'), authority.certificate.certFile);
    }),
  );
});

test.each<[string, Rule]>([
  ['redirects', (exchange) => answer(307, { location: exchange.request.url })(exchange)],
  ['asks for a retry', answer(503, { 'retry-after': '0' })],
])('uploads a blob if the target %s before all bytes have been downloaded', async (_name, rule) => {
  const [from, to] = [await served(), await served()];
  const blob = layerOf(200_000, 'waited for');
  let answered: () => void = () => undefined;
  const answering = new Promise<void>((resolve) => (answered = resolve));
  from.proxy.on(/^GET .*blobs/, async ({ response }) => {
    response.writeHead(200, { 'content-length': blob.bytes.length });
    response.write(blob.bytes.subarray(0, 90_000));
    await answering;
    response.end(blob.bytes.subarray(90_000));
  });
  const answerFirst: Rule = async (exchange) => {
    exchange.response.once('finish', answered);
    await rule(exchange);
  };
  to.proxy.on(/^PUT/, answerFirst, 1);
  const used = session();
  const [source, target] = [repository(used, from.host, 'from'), repository(used, to.host, 'to')];
  await target.putBlob(blob.descriptor, () => source.readBlob(blob.descriptor));
  expect((await bytesOf(target.readBlob(blob.descriptor))).equals(blob.bytes)).toBe(true);
  expect(used.events.filter(({ note }) => note !== undefined)).toEqual([]);
});
