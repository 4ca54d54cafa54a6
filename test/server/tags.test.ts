import { describe, expect, test } from '@jest/globals';
import { imageOf } from '../store/samples.ts';
import { codesOf, stores, jsonOf, putImage, type Served } from './client.ts';

describe.each(stores)('tags in %s', (_, serve) => {
  const tags = ['1.0', '1.0-rc', 'A', 'Z', '_', 'a', 'b'];

  async function fill(served: Served): Promise<void> {
    const image = imageOf('a');
    await putImage(served, 'some/repo', image);
    for (const tag of [...tags].reverse()) await served.putManifest('some/repo', image.manifest, tag);
  }

  test('are listed in order', () =>
    serve(async (served) => {
      await fill(served);
      const answer = await served.get('/v2/some/repo/tags/list');
      expect([answer.status, jsonOf(answer)]).toEqual([200, { name: 'some/repo', tags }]);
      expect(answer.headers['link']).toBeUndefined();
    }));

  test.each<[string, readonly string[], string | undefined]>([
    ['?n=3', ['1.0', '1.0-rc', 'A'], '</v2/some/repo/tags/list?n=3&last=A>; rel="next"'],
    ['?n=3&last=A', ['Z', '_', 'a'], '</v2/some/repo/tags/list?n=3&last=a>; rel="next"'],
    ['?n=3&last=a', ['b'], undefined],
    ['?n=7', tags, undefined],
    ['?n=100', tags, undefined],
    ['?n=0', [], undefined],
    ['?last=A', ['Z', '_', 'a', 'b'], undefined],
    ['?last=B', ['Z', '_', 'a', 'b'], undefined],
    ['?last=zz', [], undefined],
    ['?n=1&last=Z', ['_'], '</v2/some/repo/tags/list?n=1&last=_>; rel="next"'],
  ])('are paged: %s', (query, expected, link) =>
    serve(async (served) => {
      await fill(served);
      const answer = await served.get(`/v2/some/repo/tags/list${query}`);
      expect([answer.status, jsonOf(answer)]).toEqual([200, { name: 'some/repo', tags: expected }]);
      expect(answer.headers['link']).toBe(link);
    }),
  );

  test('all pages together have all tags', () =>
    serve(async (served) => {
      await fill(served);
      const seen: string[] = [];
      for (let path: string | undefined = '/v2/some/repo/tags/list?n=2'; path !== undefined;) {
        const answer = await served.get(path);
        seen.push(...(jsonOf(answer) as { tags: string[] }).tags);
        path = /^<(.+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1];
      }
      expect(seen).toEqual(tags);
    }));

  test('are an empty list in a repository without tags', () =>
    serve(async (served) => {
      await putImage(served, 'repo', imageOf('a'));
      expect(jsonOf(await served.get('/v2/repo/tags/list'))).toEqual({ name: 'repo', tags: [] });
    }));

  test.each([
    ['/v2/none/tags/list', 404, 'NAME_UNKNOWN'],
    ['/v2/some/repo/tags/list?n=-1', 400, 'PAGINATION_NUMBER_INVALID'],
    ['/v2/some/repo/tags/list?n=x', 400, 'PAGINATION_NUMBER_INVALID'],
  ])('%s is refused', (path, status, code) =>
    serve(async (served) => {
      await fill(served);
      const answer = await served.get(path);
      expect([answer.status, ...codesOf(answer)]).toEqual([status, code]);
    }),
  );
});
