import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { at, build, images, registry, serveCreateImages } from '../support/create-fixture.ts';
import { ActionRunner, type ActionResult } from '../support/action-runner.ts';
import { getManifest } from '../support/images.ts';
import { casesOf, isLong } from '../support/long.ts';

/** The script of the merge action, run against the embedded registry. The programs of these tests are shell scripts. */
serveCreateImages();
const onUnix = process.platform === 'win32' ? describe.skip : describe;

let runner: ActionRunner;
beforeEach(async () => {
  runner = await ActionRunner.make();
  await runner.mlist();
});

const merge = (inputs: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>) =>
  runner.run('merge/merge.js', inputs, env);
const bothImages = () => `${images.amd64.digest}\n${images.arm64.digest}`;
const pushed = async (repository: string, tag: string) =>
  JSON.parse((await getManifest(registry.url, repository, tag))?.bytes.toString() ?? '{}') as {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly manifests: readonly { readonly digest: string }[];
  };
const errors = ({ commands }: ActionResult) => commands.filter(({ name }) => name === 'error').map(({ text }) => text);

onUnix('the merge action', () => {
  test('merges the digests of a folder, and sets its outputs', async () => {
    const digests = join(runner.folder, 'digests');
    await mkdir(digests);
    await writeFile(join(digests, 'amd64'), images.amd64.digest);
    await writeFile(join(digests, 'arm64'), images.arm64.digest);
    const result = await merge({
      list: at('team/app:merged'),
      'digests-dir': digests,
      expect: 'linux/arm64\nlinux/amd64',
      tags: ':1.0\n:1',
    });
    expect(result.code).toBe(0);
    const { digest = '' } = result.outputs;
    expect(result.outputs).toEqual({
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as unknown,
      list: at('team/app:merged'),
      image: at(`team/app@${digest}`),
      platforms: 'linux/arm64,linux/amd64',
    });
    for (const tag of ['merged', '1.0', '1', digest]) {
      expect((await pushed('team/app', tag)).manifests.map((one) => one.digest)).toEqual([
        images.arm64.digest,
        images.amd64.digest,
      ]);
    }
    expect(result.commands).toEqual([]);
  });

  test('uses the output of docker/metadata-action, and annotations', async () => {
    const metadata = {
      tags: [at('team/app:from-metadata'), at('team/app:edge')],
      labels: { 'org.opencontainers.image.title': 'app' },
      annotations: ['index:org.opencontainers.image.description=it is "$(good)"'],
    };
    const result = await merge({
      'docker-metadata': JSON.stringify(metadata),
      images: bothImages(),
      annotations: 'org.example.note=a, b=c $(touch pwned) `id`',
    });
    expect(result).toMatchObject({ code: 0, outputs: { list: at('team/app:from-metadata') } });
    expect((await pushed('team/app', 'edge')).annotations).toEqual({
      'org.opencontainers.image.title': 'app',
      'org.opencontainers.image.description': 'it is "$(good)"',
      'org.example.note': 'a, b=c $(touch pwned) `id`',
    });
  });

  test('accepts the outputs of needed jobs as images, and does not count attestations as platforms', async () => {
    const needs = { build: { result: 'success', outputs: { image: at(`team/built@${build.index.digest}`) } } };
    const result = await merge({ list: at('team/app:needs'), images: JSON.stringify(needs) });
    expect(result).toMatchObject({ code: 0, outputs: { platforms: 'linux/amd64,linux/arm64' } });
  });

  test('ignores MLIST_LIST and drafts of the workspace', async () => {
    const result = await merge(
      { list: at('team/app:own'), images: bothImages() },
      { MLIST_LIST: at('team/app:other'), MLIST_WORKSPACE: '/nonexistent' },
    );
    expect(result).toMatchObject({ code: 0, outputs: { list: at('team/app:own') } });
  });

  test('a dry run writes nothing', async () => {
    const result = await merge({
      list: at('team/dry:1'),
      images: bothImages(),
      repo: at('team/app'),
      'dry-run': 'true',
    });
    expect(result).toMatchObject({ code: 0, summary: expect.stringContaining('<h3>Dry run of ') as unknown });
    expect(await getManifest(registry.url, 'team/dry', '1')).toBeUndefined();
  });

  if (isLong)
    test('the summary of a new tag lists the images; that of a moved tag lists the changes', async () => {
      const list = at('team/app:summary');
      const first = await merge({ list, images: images.amd64.digest });
      expect(first.summary).toContain('<td>new</td>');
      expect(first.summary).toContain(`<td><code>linux/amd64</code></td><td><code>${images.amd64.digest}</code></td>`);
      const second = await merge({ list, images: `${images.other.digest}\n${images.arm64.digest}` });
      expect(second.summary).toContain(`<code>${first.outputs['digest'] ?? ''}</code>`);
      expect(second.summary).toMatch(/<td>changed<\/td><td><code>linux\/amd64<\/code>/);
      expect(second.summary).toMatch(/<td>added<\/td><td><code>linux\/arm64<\/code>/);
      expect(second.summary.trim()).not.toMatch(/\n\s*\n/);
      const third = await merge({ list, images: images.arm64.digest, summary: 'false' });
      expect([third.code, third.summary]).toEqual([0, '']);
    });
});

onUnix('what cannot be merged', () => {
  const refused: readonly (readonly [string, () => Readonly<Record<string, string>>, RegExp])[] = [
    ['no list', () => ({ images: bothImages() }), /^the input "list" or "docker-metadata" is required$/],
    ['no images', () => ({ list: at('x:1') }), /^the input "digests-dir" or "images" is required$/],
    ['an empty list', () => ({ list: '  ', images: bothImages() }), /is required$/],
    [
      'a missing platform',
      () => ({ list: at('team/app:x'), images: bothImages(), expect: 'linux/s390x' }),
      /s390x.*EXPECTATION/s,
    ],
    [
      'a missing image',
      () => ({ list: at('team/app:x'), images: `sha256:${'a'.repeat(64)}` }),
      /\(ERR_MLIST_NOT_FOUND\)\n/,
    ],
    [
      'an option as the list',
      () => ({ list: '--insecure', images: bothImages() }),
      /--insecure.*\(ERR_MLIST_REFERENCE_INVALID\)/s,
    ],
    ['an option as an image', () => ({ list: at('team/app:x'), images: '--insecure' }), /--insecure/],
    ['an option as a tag', () => ({ list: at('team/app:x'), images: bothImages(), tags: '--force' }), /--force/],
    [
      'an option as a platform',
      () => ({ list: at('team/app:x'), images: bothImages(), expect: '--strict' }),
      /--strict/,
    ],
    ['an option as a folder', () => ({ list: at('team/app:x'), 'digests-dir': '--strict' }), /--strict/],
    [
      'an option as a repository',
      () => ({ list: at('team/app:x'), images: bothImages(), repo: '--strict' }),
      /--strict/,
    ],
    [
      'a command as a tag',
      () => ({ list: at('team/app:x'), images: bothImages(), tags: ':$(touch pwned)' }),
      /touch pwned/,
    ],
    ['quotes in the list', () => ({ list: `x"; touch pwned; '`, images: bothImages() }), /REFERENCE_INVALID/],
    ['a line break in the list', () => ({ list: `${at('team/app:x')}\ny`, images: bothImages() }), /REFERENCE_INVALID/],
    ['metadata that is not JSON', () => ({ 'docker-metadata': '{"tags":', images: bothImages() }), /DOCUMENT_INVALID/],
    [
      'words as options',
      () => ({ list: at('team/app:x'), images: bothImages(), options: 'x:1' }),
      /^the input "options"/,
    ],
    [
      'an unknown option',
      () => ({ list: at('team/app:x'), images: bothImages(), options: '--nope' }),
      /unknown option --nope/,
    ],
    [
      'an unclear flag',
      () => ({ list: at('team/app:x'), images: bothImages(), 'dry-run': 'yes' }),
      /must be "true" or "false"/,
    ],
  ];
  test.each(casesOf(refused, 9))('%s', async (_name, inputs, message) => {
    const result = await merge(inputs());
    expect(result.code).toBe(1);
    expect(errors(result)).toEqual([expect.stringMatching(message)]);
    expect(result.commands).toHaveLength(1);
    expect([result.outputs, result.summary]).toEqual([{}, '']);
    expect(existsSync(join(runner.folder, 'workspace', 'pwned'))).toBe(false);
  });

  test('without mlist on PATH', async () => {
    const result = await merge({ list: at('x:1'), images: bothImages() }, { PATH: '/nonexistent' });
    expect(errors(result)).toEqual(['mlist is not installed, or not on PATH']);
  });
});

onUnix('text of a registry', () => {
  let hostile: Server;
  let host: string;
  const commands = [
    '::add-path::/evil',
    '##[add-mask]x',
    '::set-output name=digest::evil',
    '::stop-commands::x',
    '%0A::error::x',
  ];
  beforeAll(async () => {
    hostile = createServer((_request, response) => {
      const message = `denied\n${commands.join('\n')}\n::x::\r\n${commands.join('\r')}`;
      response.writeHead(403, { 'content-type': 'application/json', warning: `299 - "${commands.join(' ')}"` });
      response.end(JSON.stringify({ errors: [{ code: 'DENIED', message }] }));
    });
    await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(hostile.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    hostile.close();
    hostile.closeAllConnections();
  });

  test.each(casesOf([{}, { RUNNER_DEBUG: '1' }], 2, 1))('executes no workflow commands (%j)', async (env) => {
    const result = await merge({ list: `${host}/team/app:1`, images: `${host}/team/app:a` }, env);
    expect(result.code).toBe(1);
    expect(result.log).toContain('##[add-mask]x');
    expect(result.commands).toEqual([{ name: 'error', text: expect.stringContaining('denied') as unknown }]);
    expect([result.outputs, result.path]).toEqual([{}, []]);
  });
});

onUnix('values of images', () => {
  test('cannot set other outputs, or add Markdown or HTML to the summary', async () => {
    const note = '<img src=x onerror=alert(1)> | `x` **b**\n\n# title\n::warning::x';
    const result = await merge({
      list: at('team/app:values'),
      images: `${images.amd64.digest}=linux/amd64`,
      'docker-metadata': JSON.stringify({ tags: [at('team/app:values')], annotations: [`index:note=${note}`] }),
    });
    const again = await merge({
      list: at('team/app:values'),
      images: bothImages(),
      'docker-metadata': JSON.stringify({ tags: [at('team/app:values')], annotations: ['index:note=other'] }),
    });
    expect([result.code, again.code]).toEqual([0, 0]);
    expect(again.summary).toContain(
      '<code>&lt;img src=x onerror=alert(1)&gt; | `x` **b**\\u{a}\\u{a}# title\\u{a}::warning::x</code>',
    );
    expect(again.commands).toEqual([]);
  });

  test('stay in their output, whatever delimiters they contain', async () => {
    const hostile = '1\nEOF\nevil=yes\nevil<<X\nyes\nX\ndigest=evil\nend-\nghadelimiter_\n';
    const digest = `sha256:${'a'.repeat(64)}`;
    const document = {
      ref: 'x.example/a:1',
      entries: [{ platformName: `linux(${hostile})/amd64` }],
      pushed: { digest, targets: [{ ref: `x.example/a:1${hostile}`, status: 'pushed', lost: [hostile] }] },
    };
    await runner.program('mlist', `#!/bin/sh\ncat <<'DOCUMENT'\n${JSON.stringify(document)}\nDOCUMENT\n`);
    const result = await merge({ list: 'x.example/a:1', images: digest });
    expect([result.code, result.outputs]).toEqual([
      0,
      { digest, list: 'x.example/a:1', image: `x.example/a@${digest}`, platforms: `linux(${hostile})/amd64` },
    ]);
    expect(result.summary.split('\n').filter((line) => !line.startsWith('<'))).toEqual(['']);
  });
});
