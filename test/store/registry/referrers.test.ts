import { describe, expect, test } from '@jest/globals';
import type { Repository } from '../../../src/store/registry/repository.ts';
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
import { answer, RecordingProxy, type Rule } from '../../support/recording-proxy.ts';
import { describeOnRegistries } from '../../support/registries.ts';
import { cleanup, repository, session } from './setup.ts';

const image = makeImage({ salt: 'subject', kind: 'oci' });
const subject = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length };
const digest = parseDigest(image.digest);
const signature = makeImage({ salt: 's', kind: 'oci', manifest: { subject, artifactType: 'application/x.sig' } });
const sbom = makeImage({ salt: 'b', kind: 'oci', manifest: { subject, artifactType: 'application/x.sbom' } });
const types = new Map([
  [signature, 'application/x.sig'],
  [sbom, 'application/x.sbom'],
]);

/** The content of the fallback tag. */
const listed = makeIndex([signature, sbom].map((one) => entryOf(one, undefined, { artifactType: types.get(one) })));

describeOnRegistries('the referrers of a manifest', (start) => {
  test('are listed by the API or by the fallback tag, and filtered', async () => {
    const registry = await start();
    try {
      for (const one of [image, signature, sbom]) await pushImage(registry.url, 'team/app', undefined, one);
      const repo = repository(session(), registry.host, 'team/app');
      if (!(await repo.supportsReferrers(digest)))
        await putManifest(registry.url, 'team/app', image.digest.replace(':', '-'), listed.mediaType, listed.bytes);
      const digests = async (type?: string): Promise<readonly string[]> =>
        (await repo.referrers(digest, type)).map((one) => one.digest).sort();
      expect(await digests()).toEqual([signature.digest, sbom.digest].sort());
      expect(await digests('application/x.sig')).toEqual([signature.digest]);
      expect(await digests('application/x.none')).toEqual([]);
      expect(await repo.referrers(parseDigest(sbom.digest))).toEqual([]);
    } finally {
      await registry.close();
    }
  });
});

/** A repository of a server with this rule. */
async function repositoryOf(rule: Rule): Promise<{ readonly repo: Repository; readonly proxy: RecordingProxy }> {
  const proxy = cleanup(await RecordingProxy.start());
  proxy.on(/./, rule);
  return { repo: repository(session({ retries: 0 }), proxy.host, 'a'), proxy };
}

function pageOf(one: Image): Served {
  return makeIndex([entryOf(one)]);
}

describe('pages', () => {
  const serve =
    (link: string): Rule =>
    (exchange) => {
      const isLast = exchange.seen.path.includes('last=');
      const headers = { 'content-type': listed.mediaType, ...(isLast ? {} : { link }) };
      return answer(200, headers, pageOf(isLast ? sbom : signature).bytes)(exchange);
    };

  test.each([
    ['a path', '</v2/a/referrers/x?last=1>; rel="next"'],
    ['a query alone', '<?last=1>; rel=next'],
    ['more parameters', '<?last=1>; title="a, b"; rel="next"'],
  ])('are followed where the link is %s', async (_, link) => {
    const { repo } = await repositoryOf(serve(link));
    expect((await repo.referrers(digest)).map((one) => one.digest)).toEqual([signature.digest, sbom.digest]);
  });

  test.each([['http://127.0.0.1:1/v2/a/referrers/x?last=1'], ['https://example.com/?last=1']])(
    'are not followed to another host: %s',
    async (target) => {
      const { repo } = await repositoryOf(serve(`<${target}>; rel="next"`));
      await expect(repo.referrers(digest)).rejects.toMatchObject({ code: 'ERR_MLIST_FORBIDDEN_ADDRESS' });
    },
  );

  test('end even if the registry always states a next page', async () => {
    let pages = 0;
    const { repo } = await repositoryOf((exchange) => {
      pages += 1;
      const headers = { 'content-type': listed.mediaType, link: `<?page=${pages}>; rel="next"` };
      return answer(200, headers, listed.bytes)(exchange);
    });
    await expect(repo.referrers(digest)).rejects.toMatchObject({
      code: 'ERR_MLIST_REGISTRY',
      message: expect.stringMatching(/^cannot list the referrers of \S+: \S+ sends more than 1000 pages$/) as unknown,
      facts: { reference: `${repo.location}@${digest}` },
    });
  });
});

test.each([404, 400, 405])(
  'a registry that answers %s has no API, and is asked for it once: the fallback tag speaks, if it is an index',
  async (status) => {
    const isTag = (path: string) => path.endsWith(`/manifests/${image.digest.replace(':', '-')}`);
    const { repo, proxy } = await repositoryOf((exchange) => {
      const { path } = exchange.seen;
      if (isTag(path)) return answer(200, { 'content-type': listed.mediaType }, listed.bytes)(exchange);
      return answer(path.includes('/referrers/') ? status : 404)(exchange);
    });
    expect(await repo.supportsReferrers(digest)).toBe(false);
    expect(await repo.referrers(digest)).toHaveLength(2);
    expect(await repo.referrers(parseDigest(sbom.digest))).toEqual([]);
    expect(proxy.requestsMatching(/referrers/)).toHaveLength(1);
  },
);

test('a fallback tag that is an image lists no referrers', async () => {
  const { repo } = await repositoryOf((exchange) => {
    const isManifest = exchange.seen.path.includes('/manifests/');
    return (isManifest ? answer(200, { 'content-type': image.mediaType }, image.bytes) : answer(404))(exchange);
  });
  expect(await repo.referrers(digest)).toEqual([]);
});
