import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseLocation } from '../../../src/oci/location.ts';
import { copy } from '../../../src/operations/copy/copy.ts';
import type { OperationEvent } from '../../../src/operations/events.ts';
import { startRegistry, type RunningRegistry } from '../../../src/server/start-registry.ts';
import { Stores } from '../../../src/store/open.ts';
import { answer, RecordingProxy } from '../../support/recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest } from '../../support/images.ts';
import { temporaryFolder } from '../../support/cli-harness.ts';

/** `copy` of the library: its events and result, and registries with the referrers API. */

const image = makeImage({ salt: 'image', kind: 'oci' });
const subject = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length };
const signature = makeImage({
  salt: 'signature',
  kind: 'oci',
  manifest: { subject, artifactType: 'application/x.sig' },
});
const list = makeIndex([entryOf(image, { os: 'linux', architecture: 'amd64' })]);

let registry: RunningRegistry;
let other: RunningRegistry;
beforeAll(async () => {
  [registry, other] = [await startRegistry(), await startRegistry()];
  for (const manifest of [image, signature]) await pushImage(registry.url, 'team/app', undefined, manifest);
  await putManifest(registry.url, 'team/app', 'v1', list.mediaType, list.bytes);
});
afterAll(async () => {
  await registry.close();
  await other.close();
});

async function stores(): Promise<Stores> {
  return new Stores({ workspaceFolder: join(await temporaryFolder(), '.mlist'), userAgent: 'test', env: {} });
}

/** The registry behind a proxy without the referrers API, like an older registry. */
async function withoutApi({ url }: RunningRegistry): Promise<RecordingProxy> {
  const proxy = await RecordingProxy.start({ upstream: url });
  proxy.on(/\/referrers\//, answer(404));
  return proxy;
}

describe('a copy', () => {
  test('reports each transfer as an event, and returns the counts', async () => {
    const opened = await stores();
    const events: OperationEvent[] = [];
    const copied = await copy(
      parseLocation(`${registry.host}/team/app:v1`),
      parseLocation(`${other.host}/team/copied:v1`),
      {
        stores: opened,
        onEvent: (event) => events.push(event),
      },
    );
    expect(copied).toMatchObject({
      status: 'copied',
      target: `${other.host}/team/copied:v1`,
      descriptor: { digest: list.digest },
      moved: { manifests: 2, mounted: 0, uploaded: 2, present: 0 },
      left: [],
    });
    const types = events.filter(({ type }) => type !== 'progress').map(({ type }) => type);
    expect(types.sort()).toEqual(['blob', 'blob', 'from', 'manifest', 'started', 'tagged']);
    const blobs = events.filter((event) => event.type === 'blob');
    for (const { digest, size } of blobs)
      expect(events.findLast((event) => event.type === 'progress' && event.digest === digest)).toMatchObject({
        moved: size,
      });
    await opened.close();
  });

  test('does not write the tag if it is aborted', async () => {
    const opened = await stores();
    const stop = new AbortController();
    const copying = copy(
      parseLocation(`${registry.host}/team/app:v1`),
      parseLocation(`${other.host}/team/aborted:v1`),
      {
        stores: opened,
        signal: stop.signal,
        onEvent: ({ type }) => {
          if (type === 'blob') stop.abort(new Error('enough'));
        },
      },
    );
    await expect(copying).rejects.toThrow('enough');
    expect(await getManifest(other.url, 'team/aborted', 'v1')).toBeUndefined();
    await opened.close();
  });
});

describe('a copy with referrers', () => {
  const tag = image.digest.replace(':', '-');

  test('uses the referrers API, and writes no fallback tag', async () => {
    const opened = await stores();
    const copied = await copy(
      parseLocation(`${registry.host}/team/app:v1`),
      parseLocation(`${other.host}/team/api:v1`),
      { stores: opened, referrers: true },
    );
    expect(copied.referrers).toEqual([
      {
        subject: image.digest,
        descriptor: { mediaType: signature.mediaType, digest: signature.digest, size: signature.bytes.length },
      },
    ]);
    expect((await getManifest(other.url, 'team/api', signature.digest))?.digest).toBe(signature.digest);
    expect(await getManifest(other.url, 'team/api', tag)).toBeUndefined();
    await opened.close();
  });

  test('writes and reads the fallback tag of a registry without the API', async () => {
    const opened = await stores();
    const old = await withoutApi(other);
    const [withoutReferrers, back] = [`${old.host}/team/tags:v1`, `${registry.host}/team/back:v1`].map((text) =>
      parseLocation(text),
    );
    const options = { stores: opened, referrers: true };
    await copy(parseLocation(`${registry.host}/team/app:v1`), withoutReferrers!, options);
    const listed = await getManifest(other.url, 'team/tags', tag);
    expect(JSON.parse(listed!.bytes.toString())).toMatchObject({
      manifests: [{ digest: signature.digest, artifactType: 'application/x.sig' }],
    });
    await copy(withoutReferrers!, back!, options);
    expect((await getManifest(registry.url, 'team/back', signature.digest))?.digest).toBe(signature.digest);
    await opened.close();
    await old.close();
  });
});
