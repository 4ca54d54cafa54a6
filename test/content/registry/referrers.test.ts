import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { hasReferrersApi, listReferrers } from '../../../src/content/registry/referrers.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import {
  entryOf,
  makeImage,
  makeIndex,
  pushImage,
  putManifest,
  type Image,
  type Served,
} from '../../support/images.ts';
import { referrersParts } from '../../support/referrers.ts';
import { describeOnRegistries } from '../../support/registries.ts';

const image = makeImage({ salt: 'subject', kind: 'oci' });
const subject = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length };
const digest = parseDigest(image.digest);
const signature = makeImage({ salt: 's', kind: 'oci', manifest: { subject, artifactType: 'application/x.sig' } });
const sbom = makeImage({ salt: 'b', kind: 'oci', manifest: { subject, artifactType: 'application/x.sbom' } });
const types = new Map([
  [signature, 'application/x.sig'],
  [sbom, 'application/x.sbom'],
]);

/** What the fallback tag holds. */
const listed = makeIndex([signature, sbom].map((one) => entryOf(one, undefined, { artifactType: types.get(one) })));

describeOnRegistries('the referrers of a manifest', (start) => {
  test('are found, by the API or by the fallback tag, and filtered', async () => {
    const registry = await start();
    try {
      for (const one of [image, signature, sbom]) await pushImage(registry.url, 'team/app', undefined, one);
      const parts = referrersParts(registry.url, 'team/app');
      const hasApi = await hasReferrersApi(parts, digest, {});
      if (!hasApi)
        await putManifest(registry.url, 'team/app', image.digest.replace(':', '-'), listed.mediaType, listed.bytes);
      const digests = async (type?: string): Promise<readonly string[]> =>
        (await listReferrers(parts, digest, type, {})).map((one) => one.digest).sort();
      expect(await digests()).toEqual([signature.digest, sbom.digest].sort());
      expect(await digests('application/x.sig')).toEqual([signature.digest]);
      expect(await digests('application/x.none')).toEqual([]);
      expect(await listReferrers(parts, parseDigest(sbom.digest), undefined, {})).toEqual([]);
    } finally {
      await registry.close();
    }
  });
});

async function withServer<T>(listener: RequestListener, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function pageOf(one: Image): Served {
  return makeIndex([entryOf(one)]);
}

describe('pages', () => {
  const serve =
    (link: string): RequestListener =>
    ({ url = '' }, response) => {
      const isLast = url.includes('last=');
      response.writeHead(200, { 'content-type': listed.mediaType, ...(isLast ? {} : { link }) });
      response.end(pageOf(isLast ? sbom : signature).bytes);
    };

  test.each([
    ['a path', '</v2/a/referrers/x?last=1>; rel="next"'],
    ['a query alone', '<?last=1>; rel=next'],
    ['more parameters', '<?last=1>; title="a, b"; rel="next"'],
  ])('are followed where the link is %s', (_, link) =>
    withServer(serve(link), async (url) => {
      const found = await listReferrers(referrersParts(url, 'a'), digest, undefined, {});
      expect(found.map((one) => one.digest)).toEqual([signature.digest, sbom.digest]);
    }),
  );

  test.each([['http://127.0.0.1:1/v2/a/referrers/x?last=1'], ['https://example.com/?last=1']])(
    'are not followed to another host: %s',
    (target) =>
      withServer(serve(`<${target}>; rel="next"`), async (url) => {
        const listing = listReferrers(referrersParts(url, 'a'), digest, undefined, {});
        await expect(listing).rejects.toMatchObject({ code: 'ERR_MLIST_FORBIDDEN_ADDRESS' });
      }),
  );

  test('end, whatever the registry says', () => {
    let pages = 0;
    const endless: RequestListener = (_, response) => {
      pages += 1;
      response.writeHead(200, { 'content-type': listed.mediaType, link: `<?page=${pages}>; rel="next"` });
      response.end(listed.bytes);
    };
    return withServer(endless, async (url) => {
      const listing = listReferrers(referrersParts(url, 'a'), digest, undefined, {});
      await expect(listing).rejects.toMatchObject({ code: 'ERR_MLIST_REGISTRY' });
    });
  });
});

test.each([404, 400, 405])(
  'a registry that answers %s has no API: the fallback tag speaks, if it is an index',
  (status) => {
    const answers: RequestListener = ({ url = '' }, response) => {
      const isTag = url.endsWith(`/manifests/${image.digest.replace(':', '-')}`);
      if (isTag) response.writeHead(200, { 'content-type': listed.mediaType }).end(listed.bytes);
      else response.writeHead(url.includes('/referrers/') ? status : 404).end();
    };
    return withServer(answers, async (url) => {
      const parts = referrersParts(url, 'a');
      expect(await hasReferrersApi(parts, digest, {})).toBe(false);
      expect(await listReferrers(parts, digest, undefined, {})).toHaveLength(2);
      expect(await listReferrers(parts, parseDigest(sbom.digest), undefined, {})).toEqual([]);
    });
  },
);

test('a fallback tag that is an image lists nothing', () => {
  const answers: RequestListener = ({ url = '' }, response) => {
    if (url.includes('/manifests/')) response.writeHead(200, { 'content-type': image.mediaType }).end(image.bytes);
    else response.writeHead(404).end();
  };
  return withServer(answers, async (url) => {
    expect(await listReferrers(referrersParts(url, 'a'), digest, undefined, {})).toEqual([]);
  });
});
