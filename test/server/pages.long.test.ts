import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { MediaType } from '../../src/oci/media-type.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import { blobOf, contentOf, contentsOf, imageOf, indexOf, tagged, withFolder, writeLayout } from '../store/samples.ts';
import { elementsOf, structureProblems, textOf } from '../support/markup.ts';
import { casesOf, isLong } from '../support/long.ts';
import { putImage, stores, withRegistry, type Answer, type Served } from './client.ts';

/** The pages for browsers. test/server/pages-browser.long.test.ts opens them in a browser. */

const linux = { os: 'linux', architecture: 'amd64' };
const one = imageOf('one');
const two = imageOf('two');

function attestationFor(image: ManifestContent) {
  const statement = blobOf('{"statement":1}', 'application/vnd.in-toto+json');
  const layers = [
    { ...statement.descriptor, annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' } },
  ];
  const attestation = imageOf('attestation', { layers });
  const entry = {
    ...attestation.manifest.descriptor,
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.descriptor.digest,
    },
  };
  return { attestation: { ...attestation, layers: [statement] }, entry };
}

const { attestation, entry: attestationEntry } = attestationFor(one.manifest);

/** A list of two images, an attestation and a nested list, with annotations. */
const nested = indexOf([{ ...two.manifest.descriptor, platform: { os: 'linux', architecture: 's390x' } }]);
const list = indexOf(
  [
    { ...one.manifest.descriptor, platform: linux },
    { ...two.manifest.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    attestationEntry,
    nested.descriptor,
  ],
  {
    annotations: {
      'org.opencontainers.image.source': 'https://git.example/team/app',
      'org.opencontainers.image.url': 'javascript:alert(1)',
    },
  },
);

async function fill(served: Served): Promise<void> {
  const referrer = imageOf('signature', {
    subject: list.descriptor,
    artifactType: 'application/vnd.example.signature',
  });
  for (const image of [one, two, attestation]) await putImage(served, 'team/app', image);
  await served.putManifest('team/app', nested);
  await served.putManifest('team/app', list, '1.0');
  await served.putManifest('team/app', list, 'latest');
  await putImage(served, 'team/app', referrer);
  await putImage(served, 'tools', one, 'v1');
}

function html(answer: Answer): string {
  expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  const text = answer.body.toString();
  expect(structureProblems(text)).toEqual([]);
  return text;
}

/** The addresses of the links in a page, without those within it. */
function linksIn(page: string): readonly string[] {
  const hrefs = elementsOf(page).flatMap(({ name, attributes }) => (name === 'a' ? [attributes['href'] ?? ''] : []));
  return [...new Set(hrefs.filter((href) => !href.startsWith('#')))];
}

const errors = [
  ['GET', '/-/repo/none', 404, 'Repository name not known to registry. Check the address'],
  ['GET', '/-/repo/team/app:none', 404, 'Manifest unknown to registry'],
  ['GET', '/-/repo/team/app@sha256:12', 404, 'Manifest unknown to registry'],
  ['GET', '/-/repo/Upper', 400, 'Invalid repository name'],
  ['GET', '/-/repo/a%2fb', 400, 'Invalid repository name'],
  ['GET', '/-/repo/..', 400, 'Invalid repository name'],
  ['GET', '/-/other', 404, 'There is no such endpoint'],
  ['POST', '/', 405, 'POST is not supported for this path'],
  ['PUT', '/-/repo/team/app:1.0', 405, 'PUT is not supported for this path'],
  ['DELETE', '/-/repo/team/app:1.0', 405, 'DELETE is not supported for this path'],
] as const;

describe.each(casesOf(stores, 2, 1))('pages of a registry in %s', (_, serve) => {
  test('lead from the repositories to the tags and to the content', () =>
    serve(async (served) => {
      await fill(served);
      const repositories = html(await served.get('/'));
      expect(linksIn(repositories)).toEqual(['/-/repo/team/app', '/-/repo/tools']);
      const tags = html(await served.get('/-/repo/team/app'));
      expect(linksIn(tags)).toEqual(['/', '/-/repo/team/app:1.0', '/-/repo/team/app:latest']);
      expect(textOf(tags)).toContain('linux/amd64linux/arm64/v8');
      const page = html(await served.get('/-/repo/team/app:1.0'));
      const { digest } = one.manifest.descriptor;
      expect(linksIn(page)).toContain(`/-/repo/team/app@${digest}`);
      const image = html(await served.get(`/-/repo/team/app@${digest}`));
      expect(textOf(image)).toContain(`docker pull ${served.registry.host}/team/app@${digest}`);
    }));

  test('contain all that is known about a list', () =>
    serve(async (served) => {
      await fill(served);
      const page = textOf(html(await served.get('/-/repo/team/app:1.0')));
      const { host } = served.registry;
      const parts = {
        'what the list is': 'OCI image index · 2 images · 1 attestation',
        'its digest': list.descriptor.digest,
        platforms: 'linux/arm64/v8',
        'platforms of nested lists': 'linux/s390x',
        layers: one.layers[0]!.descriptor.digest.slice(0, 19),
        'predicate types': 'https://slsa.dev/provenance/v1',
        referrers: 'application/vnd.example.signature',
        annotations: 'https://git.example/team/app',
        'what clients select': 'all clients get linux/amd64',
        'commands of docker': `docker pull ${host}/team/app:1.0`,
        'commands of mlist': `mlist show docker://${host}/team/app:1.0 --tree`,
        'the document': '"schemaVersion": 2',
      };
      expect(Object.entries(parts).filter(([, text]) => !page.includes(text))).toEqual([]);
    }));

  test('link only web addresses of annotations', () =>
    serve(async (served) => {
      await fill(served);
      const links = linksIn(html(await served.get('/-/repo/team/app:1.0')));
      expect(links.filter((href) => !href.startsWith('/'))).toEqual(['https://git.example/team/app']);
    }));

  test('answer errors with pages', () =>
    serve(async (served) => {
      await fill(served);
      for (const [method, path, status, message] of errors) {
        const answer = await served.send(method, path);
        const text = textOf(html(answer));
        expect([method, path, answer.status, text.includes(message)]).toEqual([method, path, status, true]);
        expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
      }
    }));

  test('answer HEAD with the headers of GET', () =>
    serve(async (served) => {
      await fill(served);
      for (const path of ['/', '/-/repo/team/app', '/-/repo/team/app:1.0']) {
        const [get, head] = [await served.get(path), await served.send('HEAD', path)];
        expect([head.status, head.body.length]).toEqual([200, 0]);
        expect({ ...head.headers, date: '' }).toEqual({ ...get.headers, date: '' });
      }
    }));

  test('are divided if there are many tags', () =>
    serve(async (served) => {
      await putImage(served, 'repo', one);
      for (let at = 100; at < 202; at += 1) await served.putManifest('repo', one.manifest, `t${at}`);
      const first = html(await served.get('/-/repo/repo'));
      expect(textOf(first)).toContain('t199');
      expect(textOf(first)).not.toContain('t200');
      const second = html(await served.get(linksIn(first).at(-1) ?? ''));
      expect(textOf(second)).toContain('t200');
      expect(linksIn(second)).not.toContain('?');
    }));

  test('say how to push to an empty registry', () =>
    serve(async (served) => {
      expect(textOf(html(await served.get('/')))).toContain(`docker push ${served.registry.host}/app:1.0`);
    }));
});

test('the policy allows only the style and the script of the page, and forbids frames', () =>
  withRegistry({}, async (served) => {
    await fill(served);
    for (const path of ['/', '/-/repo/team/app', '/-/repo/team/app:1.0', '/-/repo/none']) {
      const { headers, body } = await served.get(path);
      const page = body.toString();
      const hashes = ['style', 'script'].map((name) => {
        const [, content = ''] = new RegExp(`<${name}>([^]*?)</${name}>`).exec(page) ?? [];
        return `${name}-src 'sha256-${createHash('sha256').update(content).digest('base64')}'`;
      });
      const policy = [
        "default-src 'none'",
        ...hashes,
        'img-src data:',
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
      ].join('; ');
      expect(headers).toMatchObject({
        'content-security-policy': `${policy}; frame-ancestors 'none'`,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
        'cache-control': 'no-store',
      });
      const meta = elementsOf(page).find(({ attributes }) => attributes['http-equiv'] === 'content-security-policy');
      expect(meta?.attributes['content']).toBe(policy);
    }
  }));

test('content of the registry is never displayed as a page', () =>
  withRegistry({}, async (served) => {
    const blob = blobOf('<script>alert(1)</script>');
    await served.putBlob('repo', blob);
    const { headers } = await served.get(`/v2/repo/blobs/${blob.descriptor.digest}`);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
    });
  }));

test('pages need the login that the API needs', () =>
  withFolder(async (folder) => {
    const htpasswd = join(folder, 'users');
    await writeFile(htpasswd, 'me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n');
    await withRegistry({ htpasswd }, async (served) => {
      for (const path of ['/', '/-/repo/app', '/-/repo/app:1.0']) {
        const answer = await served.get(path);
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Basic /)]);
        expect(textOf(html(answer))).toContain('Login required');
        const authorization = `Basic ${Buffer.from('me:password').toString('base64')}`;
        expect((await served.get(path, { authorization })).status).toBe(path === '/' ? 200 : 404);
      }
    });
  }));

test('users see the repositories that they may read, and an anonymous caller all with --anonymous-pull', () =>
  withFolder(async (folder) => {
    const htpasswd = join(folder, 'users');
    const hash = '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=';
    await writeFile(htpasswd, `me:${hash}\nteam:${hash}:read:team\n`);
    const dir = join(folder, 'served');
    for (const name of ['team%2Fapp', 'other'])
      await writeLayout(join(dir, name), [...contentsOf(one)], [tagged(one.manifest, 'v1')]);
    const login = (user: string) => ({ authorization: `Basic ${Buffer.from(`${user}:password`).toString('base64')}` });
    await withRegistry({ htpasswd, dir }, async (served) => {
      expect(linksIn(html(await served.get('/', login('me'))))).toEqual(['/-/repo/other', '/-/repo/team/app']);
      expect(linksIn(html(await served.get('/', login('team'))))).toEqual(['/-/repo/team/app']);
      for (const path of ['/-/repo/other', '/-/repo/other:v1']) {
        const answer = await served.get(path, login('team'));
        expect([answer.status, linksIn(html(answer))]).toEqual([403, ['/']]);
      }
      expect((await served.get('/-/repo/team/app:v1', login('team'))).status).toBe(200);
    });
    await withRegistry({ htpasswd, dir, anonymousPull: true }, async (served) => {
      expect(linksIn(html(await served.get('/')))).toEqual(['/-/repo/other', '/-/repo/team/app']);
      expect((await served.get('/-/repo/other:v1')).status).toBe(200);
    });
  }));

test.each(['evil.example', 'evil.example:80', '<script>'])('the host %s has no pages', (host) =>
  withRegistry({}, async (served) => {
    for (const path of ['/', '/-/repo/app']) {
      const answer = await served.get(path, { host });
      expect(answer.status).toBe(host.startsWith('<') ? 400 : 421);
      expect(linksIn(html(answer))).toEqual(['/']);
    }
  }),
);

const payloads = [
  ['an element', '<script>alert(1)</script>'],
  ['the end of an attribute', '"><img src=x onerror=alert(1)>'],
  ['the end of an attribute in single quotes', "' onmouseover='alert(1)"],
  ['the end of a style and of a script', '</style></script><script>alert(1)</script>'],
  ['a comment', '<!-- --><![CDATA[ <svg/onload=alert(1)>'],
  ['entities', '&lt;b&gt; &#60;'],
  ['template syntax', '${alert(1)} {{1}} `'],
  ['control characters', 'a\u0000b\u001b[31m\u202ec\u2028'],
  ['lone surrogates', 'a\ud800b'],
  ['a script address', 'javascript:alert(1)'],
  ['a web address with markup', 'https://x.example/"><script>alert(1)</script>'],
] as const;

describe.each(payloads)('%s in content', (name, payload) => {
  const place = payloads.findIndex(([each]) => each === name);
  const annotations = { [payload]: payload, url: payload };
  const predicate = { 'in-toto.io/predicate-type': payload };
  const layers = [{ ...one.layers[0]!.descriptor, annotations: predicate }];
  const hostile = imageOf('hostile', { subject: one.manifest.descriptor, annotations, layers });
  const entries = [
    { ...one.manifest.descriptor, platform: { os: payload, architecture: payload, variant: payload }, annotations },
    { ...two.manifest.descriptor, platform: { ...linux, 'os.version': payload }, annotations },
    { ...hostile.manifest.descriptor, platform: linux },
  ];
  const index = indexOf(entries, { annotations });
  const refused = indexOf([{ ...one.manifest.descriptor, mediaType: payload }], { artifactType: payload });

  const kinds = [
    ['an index', index, 'What clients get for'],
    ['an image', hostile.manifest, 'layer'],
    ['an index that is refused', refused, 'is refused'],
  ] as const;

  test.each(casesOf(kinds, 3, place % 3))('of %s is text', (_case, content, part) =>
    withFolder(async (dir) => {
      const contents = [...contentsOf(one), ...contentsOf(two), ...contentsOf(hostile), index, refused];
      await writeLayout(join(dir, 'repo'), contents, [tagged(content, 'v1'), tagged(content, payload)]);
      await withRegistry({ dir }, async (served) => {
        const page = html(await served.get('/-/repo/repo:v1'));
        expectInert(page);
        // The parser refuses documents with lone surrogates.
        if (payload.isWellFormed()) expect(page).toContain(part);
        for (const path of ['/-/repo/repo', `/-/repo/repo:${encodeURIComponent(payload.toWellFormed())}`]) {
          const answer = await served.get(path);
          expect([200, 400, 404]).toContain(answer.status);
          expectInert(html(answer));
        }
      });
    }),
  );
});

/** Only the elements that templates have, no event handlers, and no links that execute code. */
function expectInert(page: string): void {
  const elements = elementsOf(page);
  expect(elements.filter(({ name }) => name === 'script')).toHaveLength(1);
  expect(elements.filter(({ name }) => /^(?:img|svg|b|iframe|object|base|form)$/.test(name))).toEqual([]);
  expect(elements.flatMap(({ attributes }) => Object.keys(attributes).filter((name) => name.startsWith('on')))).toEqual(
    [],
  );
  for (const { name, attributes } of elements) {
    if (name === 'a') expect(attributes['href']).toMatch(/^(?:#[a-z]+|\/(?:-\/[^"<>]*)?|https?:\/\/[^"<>]*)$/);
  }
  expect(page).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202a-\u202e]/);
}

describe('damaged content', () => {
  const index = indexOf([
    { ...one.manifest.descriptor, platform: linux },
    { ...two.manifest.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
  ]);
  const notJson = contentOf(MediaType.ociIndex, '{"manifests": <script>');
  const wrong = contentOf(MediaType.ociIndex, '{"schemaVersion":2,"manifests":[{"digest":5}]}');
  const pathOf = (dir: string, { descriptor: { digest } }: ManifestContent) =>
    join(dir, 'repo', 'blobs', 'sha256', digest.slice('sha256:'.length));

  const cases: readonly (readonly [string, string, (dir: string) => Promise<void>, number, string])[] = [
    ['a missing child', 'v1', (dir) => rm(pathOf(dir, two.manifest)), 200, 'the content is missing'],
    ['a child with other bytes', 'v1', (dir) => writeFile(pathOf(dir, two.manifest), '{}'), 200, 'does not match'],
    ['a missing list', 'v1', (dir) => rm(pathOf(dir, index)), 404, 'Manifest unknown to registry'],
    ['a list with other bytes', 'v1', (dir) => writeFile(pathOf(dir, index), '{}'), 200, 'does not match'],
    ['a list that is not JSON', 'bad', () => Promise.resolve(), 200, '{"manifests": <script>'],
    ['a list with a wrong entry', 'wrong', () => Promise.resolve(), 200, '"digest": 5'],
    ['a missing config', 'v1', (dir) => rm(pathOf(dir, one.config)), 200, 'linux/amd64'],
  ];

  test.each(cases)('%s is reported', (_, tag, damage, status, message) =>
    withFolder(async (dir) => {
      const contents = [...contentsOf(one), ...contentsOf(two), index, notJson, wrong];
      await writeLayout(join(dir, 'repo'), contents, [
        tagged(index, 'v1'),
        tagged(notJson, 'bad'),
        tagged(wrong, 'wrong'),
      ]);
      await damage(dir);
      const faults: unknown[] = [];
      const onRequest = ({ fault }: { readonly fault?: unknown }) => faults.push(fault);
      await withRegistry({ dir, onRequest }, async (served) => {
        expect((await served.get('/-/repo/repo')).status).toBe(200);
        const answer = await served.get(`/-/repo/repo:${tag}`);
        const page = html(answer);
        expect([answer.status, textOf(page)]).toEqual([status, expect.stringContaining(message) as unknown]);
        expect(page).not.toContain(dir);
        expectInert(page);
      });
      expect(faults).toEqual([undefined, undefined]);
    }),
  );

  test('a damaged repository does not hide the others', () =>
    withFolder(async (dir) => {
      await writeLayout(join(dir, 'good'), [...contentsOf(one)], [tagged(one.manifest, 'v1')]);
      await mkdir(join(dir, 'bad'));
      await writeFile(join(dir, 'bad', 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      await writeFile(join(dir, 'bad', 'index.json'), '{');
      await withRegistry({ dir }, async (served) => {
        const page = html(await served.get('/'));
        expect(linksIn(page)).toEqual(['/-/repo/bad', '/-/repo/good']);
        for (const path of ['/-/repo/bad', '/-/repo/bad:v1']) {
          const answer = await served.get(path);
          expect([answer.status, textOf(html(answer))]).toEqual([
            200,
            expect.stringContaining('The document is invalid'),
          ]);
          expect(answer.body.toString()).not.toContain(dir);
        }
        expect(page).not.toContain(dir);
      });
    }));
});

describe('large content', () => {
  const length = isLong ? 10_000 : 1100;
  const listOf = (entries: number) =>
    indexOf(
      Array.from({ length: entries }, (_, at) => ({
        ...one.manifest.descriptor,
        platform: { ...linux, variant: `v${at}` },
      })),
    );
  const many = () => listOf(length);
  const long = () =>
    indexOf([{ ...one.manifest.descriptor, platform: linux, annotations: { long: 'x'.repeat(1_048_576) } }], {
      annotations: {
        long: 'y'.repeat(1_048_576),
        ...Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`a${at}`, ''])),
      },
    });
  const sameAttested = () =>
    indexOf([
      ...Array.from({ length: 1000 }, () => ({ ...one.manifest.descriptor, platform: linux })),
      ...Array.from({ length: 1000 }, () => ({
        ...one.manifest.descriptor,
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': one.manifest.descriptor.digest,
        },
      })),
    ]);
  const wide = () =>
    indexOf(
      Array.from({ length: 1000 }, () => ({
        ...one.manifest.descriptor,
        platform: { os: '&'.repeat(900), architecture: '&'.repeat(900) },
      })),
    );
  const annotated = () =>
    indexOf(
      Array.from({ length: 900 }, (_, at) => ({
        ...one.manifest.descriptor,
        platform: { ...linux, variant: `v${at}` },
        annotations: Object.fromEntries(Array.from({ length: 20 }, (_value, name) => [`a${name}`, '<'.repeat(100)])),
      })),
    );
  const layered = imageOf('layered', { layers: Array.from({ length: 9000 }, () => one.layers[0]!.descriptor) });

  type Case = readonly [string, () => ManifestContent, string, number];
  const larger: readonly Case[] = [
    ['1,000 attestations of an image that is listed 1,000 times', sameAttested, '101000 attestations', 2_000_000],
    ['platforms with long names', wide, '(1801 characters)', 5_000_000],
    ['20 annotations for each entry', annotated, 'and 20 more annotations', 4_000_000],
  ];
  test.each<Case>([
    [`a list of ${length} entries`, many, `${length - 1000} more entries`, 2_000_000],
    ['a list of 1,001 entries', () => listOf(1001), '1 more entry is not displayed', 2_000_000],
    ['annotations of 1 MiB', long, '(1048576 characters)', 2_000_000],
    ['many annotations', long, '301 more annotations', 2_000_000],
    ['an image with 9,000 layers', () => layered.manifest, 'The rest of the tree', 2_000_000],
    ...(isLong ? larger : []),
  ])('%s: the page is limited', (_, contentOfCase, note, maxSize) =>
    withFolder(async (dir) => {
      const content = contentOfCase();
      await writeLayout(join(dir, 'repo'), [...contentsOf(one), layered.config, content], [tagged(content, 'v1')]);
      await withRegistry({ dir }, async (served) => {
        const answer = await served.get('/-/repo/repo:v1');
        const page = answer.body.toString();
        expect([answer.status, page.includes(note)]).toEqual([200, true]);
        expect(page.length).toBeLessThan(maxSize);
      });
    }),
  );
});
