import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { displayWidth, padToWidth, truncateToWidth, wrapToWidth } from '../../src/text/display-width.ts';
import { markdownCode, markdownText } from '../../src/text/markdown.ts';
import { screenOf } from '../pictures/screen.ts';
import { svgOf } from '../pictures/svg.ts';
import { attestationEntry } from '../support/buildx.ts';
import { CliHarness } from '../support/cli-harness.ts';
import {
  entryOf,
  makeImage,
  makeIndex,
  pushImage,
  putManifest,
  sha256,
  type Image,
  type Served,
} from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { describeOnTerminal, runOnTerminal } from '../support/terminal.ts';

/** What people read: terminals of any width, trees, Markdown. Other programs get full rows. */

const amd64 = { architecture: 'amd64', os: 'linux' };
const arm64 = { architecture: 'arm64', os: 'linux', variant: 'v8' };
/** Wide characters, an emoji, a combining mark, terminal escapes, and what is markup in Markdown and HTML. */
const HOSTILE =
  '清单🚀e\u0301\u202e\u001b[31m|`a``b`|<script>alert(1)</script>|@octocat|https://evil.example|[x](javascript:y)\nline\r\n| --- |';

let registry: RunningRegistry;
let cli: CliHarness;
let ref: (name: string) => string;
let image: Image;
let other: Image;
let attestation: Image;
let list: Served;
let hostile: Served;
beforeAll(async () => {
  registry = await startRegistry();
  cli = await CliHarness.make();
  ref = (name) => `${registry.host}/team/app:${name}`;
  image = makeImage({ kind: 'oci', salt: 'a', layers: 2 });
  other = makeImage({ kind: 'oci', salt: 'b', platform: arm64, layers: 1 });
  const layer = image.blobs[1] ?? Buffer.alloc(0);
  const statement = (type: string) => ({
    mediaType: 'application/vnd.in-toto+json',
    digest: sha256(layer),
    size: layer.length,
    annotations: { 'in-toto.io/predicate-type': type },
  });
  attestation = makeImage({
    kind: 'oci',
    salt: 'attestation',
    manifest: { layers: [statement('https://slsa.dev/provenance/v1'), statement(HOSTILE)] },
  });
  await pushImage(registry.url, 'team/app', 'single', image);
  for (const one of [other, attestation]) await pushImage(registry.url, 'team/app', undefined, one);
  list = makeIndex([entryOf(image, amd64), entryOf(other, arm64), attestationEntry(attestation, image)]);
  await put('list', list);
  await put('nested', makeIndex([{ ...descriptorOf(list), platform: amd64 }, entryOf(other, arm64)]));
  const annotated = [
    entryOf(image, { ...amd64, variant: HOSTILE }, { annotations: { [HOSTILE]: HOSTILE } }),
    entryOf(other, arm64, { annotations: { 清单: '说明'.repeat(60) } }),
  ];
  hostile = makeIndex(annotated, { annotations: { [HOSTILE]: HOSTILE, long: 'word '.repeat(60) } });
  await put('hostile', hostile);
  await put('twins', makeIndex([entryOf(image, { ...amd64, variant: 'v3' }), entryOf(other, amd64)]));
  const signature = makeImage({
    kind: 'oci',
    salt: 'signature',
    manifest: { artifactType: 'application/vnd.example.signature', subject: descriptorOf(image) },
  });
  await pushImage(registry.url, 'team/app', undefined, signature);
});
afterAll(() => registry.close());

function descriptorOf({ mediaType, digest, bytes }: Served): object {
  return { mediaType, digest, size: bytes.length };
}

function put(tag: string, { mediaType, bytes }: Served): Promise<void> {
  return putManifest(registry.url, 'team/app', tag, mediaType, bytes);
}

const bytesOf = ({ blobs }: Image) => blobs.reduce((sum, { length }) => sum + length, 0);
const short = ({ digest }: { readonly digest: string }) => digest.slice(0, 'sha256:'.length + 12);

async function shown(columns: number, ...args: readonly string[]): Promise<string> {
  const { code, stdout } = await cli.run(args, { terminal: true, columns });
  expect(code).toBe(0);
  return stdout;
}

describe('the width of a text', () => {
  test.each<[text: string, width: number]>([
    ['', 0],
    ['linux/arm64', 11],
    ['清单', 4],
    ['カナ', 4],
    ['ｶﾅ', 2],
    ['한국', 4],
    ['e\u0301', 1],
    ['é', 1],
    ['🚀', 2],
    ['→', 1],
    ['├─', 2],
    ['\u00ad', 0],
  ])('%j has %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
    expect(displayWidth(padToWidth(text, 20))).toBe(20);
    expect(displayWidth(truncateToWidth(text, 1))).toBeLessThanOrEqual(1);
  });

  test.each<[text: string, columns: number, lines: readonly string[]]>([
    ['short', 10, ['short']],
    ['', 10, ['']],
    ['one two three', 8, ['one two', 'three']],
    ['one two ', 7, ['one two']],
    ['registry.example/team/app', 18, ['registry.example/', 'team/app']],
    ['abcdefghij', 4, ['abcd', 'efgh', 'ij']],
    ['清单清单', 5, ['清单', '清单']],
    ['e\u0301e\u0301e\u0301', 2, ['e\u0301e\u0301', 'e\u0301']],
    ['清单', 1, ['清', '单']],
  ])('%j in %d columns', (text, columns, lines) => {
    expect(wrapToWidth(text, columns)).toEqual(lines);
  });
});

describe('show', () => {
  test('on a terminal: only columns with content, and no line is longer than the terminal', async () => {
    const wide = await shown(120, 'show', ref('list'));
    expect(wide).toMatch(/^PLATFORM +DIGEST +ATTESTATIONS$/m);
    expect(wide).toContain(`digest   ${list.digest}`);
    const sizes = await shown(80, 'show', ref('list'), '--sizes');
    expect(sizes).toMatch(/^PLATFORM +DIGEST +SIZE +ATTESTATIONS$/m);
    expect(sizes).toContain(`size     ${bytesOf(image) + bytesOf(other)} B in 2 images`);
    expect(await shown(80, 'show', ref('list'), '--digests')).toMatch(
      new RegExp(`^linux/amd64 +1\\n {4}${image.digest}$`, 'm'),
    );
  });

  test('on a terminal: the name of the list is not repeated on stderr', async () => {
    expect((await cli.run(['show', ref('list')], { terminal: true })).stderr).toBe('');
    expect((await cli.run(['show', ref('list')])).stderr).toContain(`from registry ${ref('list')}`);
  });

  test('for other programs: all columns, whatever the width', async () => {
    const { stdout } = await cli.run(['show', ref('list')], { columns: 40 });
    const size = (one: Image) => String(one.bytes.length);
    expect(stdout.split('\n').slice(4)).toEqual([
      '',
      'PLATFORM        DIGEST               SIZE  SET  ATTESTATIONS  SOURCE',
      `linux/amd64     ${short(image)}  ${size(image)}   -    1             -`,
      `linux/arm64/v8  ${short(other)}  ${size(other)}   -    -             -`,
      '',
    ]);
    const more = await cli.must('show', ref('list'), '--sizes', '--digests');
    expect(more).toMatch(/SOURCE {2}IMAGE-SIZE\n/);
    expect(more).toMatch(new RegExp(`^linux/amd64 .*${image.digest} .* - +${bytesOf(image)}$`, 'm'));
  });

  test.each([40, 80, 120])('a draft with long sources and hostile text fits %d columns', async (columns) => {
    const own = await CliHarness.make();
    await own.must('create', ref('draft'), ref('hostile'), ref('list'));
    for (const args of [
      ['show'],
      ['show', '--tree', '--referrers'],
      ['show', '--digests'],
      ['explain'],
      ['explain', '-v'],
    ])
      for (const name of [[], [ref('hostile')], [ref('twins'), '--sizes'].slice(0, args[0] === 'show' ? 2 : 1)]) {
        const { stdout } = await own.run([...args, ...name], { terminal: true, columns });
        const tooWide = stdout.split('\n').filter((line) => displayWidth(line) > columns);
        expect(tooWide).toEqual([]);
        expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
      }
  });

  test('sizes are those of config and layers; a registry is asked for them only with --sizes', async () => {
    const own = await CliHarness.make();
    type View = { readonly entries: readonly { readonly imageSize?: number }[] };
    const sizes = async (...args: readonly string[]) =>
      (await own.json<View>('show', ...args)).entries.map(({ imageSize }) => imageSize);
    expect(await sizes(ref('list'))).toEqual([undefined, undefined]);
    expect(await sizes(ref('list'), '--sizes')).toEqual([bytesOf(image), bytesOf(other)]);
    await own.must('copy', ref('list'), 'oci:layout:list');
    expect(await sizes('oci:layout:list')).toEqual([bytesOf(image), bytesOf(other)]);
    await own.must('create', ref('draft'), ref('list'));
    expect(await sizes()).toEqual([undefined, undefined]);
    await own.must('create', ref('draft2'), ref('single'));
    expect(await sizes()).toEqual([bytesOf(image)]);
    expect(await own.must('show', '--format', 'markdown')).toContain(`size: ${bytesOf(image)} B in 1 image`);
  });

  test('--tree: nested lists, layers, attestations with predicate types, and referrers', async () => {
    const tree = await shown(120, 'show', ref('nested'), '--referrers');
    const [, ...lines] = tree.split('\n');
    const labels = lines.filter((line) => /[├└]/.test(line)).map((line) => line.replace(/ {2,}sha256:.*$/, ''));
    expect(labels).toEqual([
      '├─ linux/amd64',
      '│  ├─ linux/amd64',
      '│  │  ├─ layer',
      '│  │  ├─ layer',
      '│  │  ├─ referrer',
      '│  │  └─ attestation',
      '│  │     ├─ https://slsa.dev/provenance/v1',
      expect.stringMatching(/^│ {2}│ {5}└─ 清单/),
      '│  └─ linux/arm64/v8',
      '│     └─ layer',
      '└─ linux/arm64/v8',
      '   └─ layer',
    ]);
    expect(tree).toContain('application/vnd.example.signature');
    expect(tree).toContain(short(image));
    expect(tree).not.toContain(image.digest);
    expect(await cli.must('show', ref('list'), '--tree')).toContain(image.digest);
    expect(await shown(120, 'show', ref('list'), '--tree')).not.toContain('referrer');
  });

  test('--tree --json has layers, predicate types and nested lists', async () => {
    const view = await cli.json<{ readonly entries: readonly object[] }>('show', ref('nested'), '--tree');
    expect(view.entries[0]).toMatchObject({
      entries: [
        {
          imageSize: bytesOf(image),
          layers: [{ size: image.blobs[1]?.length }, { size: image.blobs[2]?.length }],
          attestations: [{ layers: [{ predicateType: 'https://slsa.dev/provenance/v1' }, { predicateType: HOSTILE }] }],
        },
        {},
      ],
    });
  });

  test('an image that is missing is a problem of its entry', async () => {
    const gone = makeImage({ kind: 'oci', salt: 'gone' });
    await pushImage(registry.url, 'team/app', undefined, gone);
    await put('missing', makeIndex([entryOf(gone, amd64), entryOf(other, arm64)]));
    await fetch(`${registry.url}/v2/team/app/manifests/${gone.digest}`, { method: 'DELETE' });
    expect(await shown(80, 'show', ref('missing'), '--sizes')).toMatch(/^linux\/amd64 .*the content is missing$/m);
    expect(await shown(80, 'show', ref('missing'), '--tree')).toContain('the content is missing');
  });

  test('does not follow lists that are nested without end', async () => {
    let inner = makeIndex([entryOf(image, amd64)]);
    for (let depth = 0; depth < 8; depth += 1) {
      await put(inner.digest, inner);
      inner = makeIndex(Array.from({ length: 3 }, () => ({ ...descriptorOf(inner), platform: amd64 })));
    }
    await put('deep', inner);
    const tree = await shown(80, 'show', ref('deep'), '--tree');
    expect(tree).toContain('the index is nested too deeply');
    expect(tree.split('\n').length).toBeLessThan(300);
  });
});

describe('explain', () => {
  test('a sentence and a table, without reasons, if all clients agree', async () => {
    const stdout = await shown(80, 'explain', ref('list'), '--platform', 'linux/arm64');
    expect(stdout).toMatch(/^linux\/arm64: all clients get linux\/arm64\/v8/m);
    expect(stdout).toMatch(/^CLIENT +GETS +RUNS HERE$/m);
    expect(stdout).toMatch(new RegExp(`^podman, buildah +linux/arm64/v8 ${short(other)} +\\w+$`, 'm'));
    expect(stdout).not.toContain('exact match');
    expect(await shown(80, 'explain', ref('list'), '--platform', 'linux/arm64', '-v')).toContain('exact match');
  });

  test('the reasons, if clients differ; the warnings are not repeated', async () => {
    const args = ['explain', ref('twins'), '--platform', 'linux/amd64'];
    const { stdout, stderr } = await cli.run(args, { terminal: true, columns: 120 });
    expect(stdout).toMatch(/^linux\/amd64: 1 of 6 clients gets no image that runs on the requested platform$/m);
    expect(stdout).toMatch(/^CLIENT +GETS +RUNS HERE +BECAUSE$/m);
    expect(stdout).toMatch(/^first-match client .*\(cannot run\) .*first entry for linux\/amd64$/m);
    expect(stderr).toBe('');
    expect((await cli.run(args)).stderr).toContain(
      'warning: for linux/amd64, some clients get no image that runs on the requested platform',
    );
  });
});

describe('push', () => {
  test('on a terminal: short lines, what was saved, and the digest', async () => {
    const own = await CliHarness.make({ terminal: true, columns: 80 });
    await own.must('create', `${registry.host}/shop/app:1`, ref('list'));
    const plan = await own.run(['push', '--dry-run']);
    expect(plan.stderr).toMatch(/^ {2}mount +sha256:\w{12} +\d+ B from /m);
    expect(plan.stderr).toMatch(/^ {2}total +mount 6 blobs \(\d+ B\), put 4 manifests$/m);
    expect(plan.stderr).toMatch(new RegExp(`^  requests about 11 to ${registry.host}$`, 'm'));
    const { stdout, stderr } = await own.run(['push']);
    const digest = stdout.trim();
    expect(stderr).toContain(`pushed ${registry.host}/shop/app:1 ${digest.slice(0, 19)}\n`);
    expect(stderr).toMatch(/^sent no blobs, saved \d+ B \(6 blobs mounted\)$/m);
    const again = await own.run(['push', '--to', 'oci:layout:1']);
    expect(again.stderr).toMatch(/^sent \d+ B in 6 blobs$/m);
    const piped = await own.run(['push', '--force', '-t', ':2'], { terminal: false });
    expect(piped.stderr).toContain(`pushed ${registry.host}/shop/app:2 ${digest}\n`);
  });
});

interface MarkdownIt {
  readonly render: (text: string) => string;
}

/** A renderer that handles tables, HTML and addresses like GitHub. It is part of typedoc. */
const loadRenderer = createRequire(import.meta.url)('markdown-it') as (options: object) => MarkdownIt;
const renderer = loadRenderer({ html: true, linkify: true });

describe('--format markdown', () => {
  test.each<[text: string, markdown: string]>([
    ['', ''],
    ['linux/arm64', '`linux/arm64`'],
    ['a|b', '`a\\|b`'],
    ['a`b', '``a`b``'],
    ['`', '`` ` ``'],
    ['a\nb', '`a\\nb`'],
    ['a\\|b', '`a\\\\|b`'],
  ])('%j is %s', (text, markdown) => {
    expect(markdownCode(text)).toBe(markdown);
  });

  test.each<[text: string, markdown: string]>([
    ['first entry for linux/amd64', 'first entry for linux/amd64'],
    ['ask @octocat about #1 and GH-1', 'ask `@octocat` about `#1` and `GH-1`'],
    ['see https://x.example or www.x.example', 'see `https://x.example` or `www.x.example`'],
    ['<b>bold</b> | *x*', '`<b>bold</b>` `\\|` `*x*`'],
  ])('the sentence %j is %s', (text, markdown) => {
    expect(markdownText(text)).toBe(markdown);
  });

  const commands: readonly (readonly [string, () => readonly string[], rows: number])[] = [
    ['show', () => ['show', ref('hostile'), '--sizes'], 2],
    ['explain', () => ['explain', ref('hostile'), '--platform', 'linux/amd64'], 2 + 6],
    ['diff', () => ['diff', ref('hostile'), ref('list')], 3],
    ['push', () => ['push', '--dry-run', '-t', ':2'], 2],
    ['push, not as a dry run', () => ['push'], 1],
  ];
  test.each(commands)('%s: text of the registry has no effect', async (_name, args, rows) => {
    const own = await CliHarness.make();
    await put('target', hostile);
    await own.must('create', ref('target'), ref('list'));
    const markdown = await own.must(...args(), '--format', 'markdown', '--quiet');
    const html = renderer.render(markdown);
    expect(html).not.toMatch(/<(?:script|a|img|em|strong(?!><code>))\b/);
    expect(html.replaceAll(/<code>[^<]*<\/code>/g, '')).not.toMatch(/@|evil|octocat|alert/);
    expect([...html.matchAll(/<tr>/g)].length).toBeGreaterThanOrEqual(rows + 1);
    for (const [table] of html.matchAll(/<table>.*?<\/table>/gs)) {
      const cells = [...table.matchAll(/<tr>.*?<\/tr>/gs)].map(([row]) => row.match(/<t[hd]\b/g)?.length);
      expect(new Set(cells).size).toBe(1);
    }
    expect(markdown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('is refused together with --json', async () => {
    for (const name of ['show', 'explain', 'diff', 'push'])
      expect(await cli.run([name, ref('list'), '--format', 'markdown', '--json'])).toMatchObject({
        code: 2,
        stdout: '',
      });
  });
});

describe('pictures', () => {
  const lookOf = (text: string) => screenOf(text, 20).map((line) => line.map((cell) => cell.text).join(''));

  test.each<[name: string, written: string, lines: readonly string[]]>([
    ['lines', 'one\r\ntwo\r\n', ['one', 'two']],
    ['progress lines that are erased', 'a\r\n1 of 2\r\n\u001b[1A\u001b[0Jdone\r\n', ['a', 'done']],
    ['a line that wraps', 'x'.repeat(21), ['x'.repeat(20), 'x']],
    ['wide characters and combining marks', '清e\u0301\u001b[31m单\u001b[39m', ['清e\u0301单']],
  ])('the screen has %s', (_name, written, lines) => {
    expect(lookOf(written)).toEqual(lines);
  });

  test('refuse an escape sequence that is not drawn', () => {
    expect(() => lookOf('\u001b[2K')).toThrow('unknown escape sequence');
  });

  test.each(['dark', 'light'] as const)('escape text, and have a role and a title (%s)', (theme) => {
    const lines = screenOf('\u001b[1m<script>&"\u001b[22m  \u001b[32m清单\u001b[39m', 40);
    const svg = svgOf({ title: 'a <b> & "c"', columns: 40, lines }, theme);
    expect(svg).toContain('role="img"');
    expect(svg).toContain('<title id="title">a &#60;b&#62; &#38; &#34;c&#34;</title>');
    expect(svg).toContain('font-weight="bold">&#60;script&#62;&#38;&#34;</tspan>');
    expect(svg.match(/<(?!\/?(?:svg|title|rect|g|text|tspan)\b)/g)).toBeNull();
    expect(svg).not.toMatch(/href|url\(|on\w+=/);
    const [, x] = /<tspan x="([\d.]+)"[^>]*>清/.exec(svg) ?? [];
    expect(Number(x)).toBeCloseTo(16 + 12 * 8.4, 1);
  });
});

describeOnTerminal('the built program on a terminal', () => {
  test.each(casesOf([40, 80, 120], 3))('of %d columns', async (columns) => {
    for (const args of [['show'], ['show', '--tree'], ['explain']]) {
      const own = await CliHarness.make();
      const { code, shown: output } = await runOnTerminal([...args, ref('hostile')], [], own.folder, columns);
      expect(code).toBe(0);
      const lines = output.split('\r\n');
      // A line that states the own platform is printed before the result.
      const result = lines.filter((line) => !line.startsWith('using linux/'));
      expect(result.filter((line) => displayWidth(line) > columns)).toEqual([]);
      expect(result.length).toBeGreaterThan(5);
    }
  });
});
