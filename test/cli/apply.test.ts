import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, type Served } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { World, type Ran } from '../support/world.ts';

/** Many lists from files: what lands, what is refused with its line, and what a second run does. */

interface Report {
  readonly counts: Record<string, number>;
  readonly writes: number;
  readonly lists: readonly {
    readonly ref?: string;
    readonly status: string;
    readonly file: string;
    readonly line: number;
    readonly digest?: string;
    readonly targets: readonly { readonly ref: string; readonly status: string }[];
    readonly missing: readonly string[];
    readonly warnings: readonly string[];
    readonly errors: readonly { readonly code: string; readonly message: string }[];
  }[];
}

const platforms = [
  { architecture: 'amd64', os: 'linux' },
  { architecture: 'arm64', os: 'linux', variant: 'v8' },
  { architecture: 'arm', os: 'linux', variant: 'v7' },
  { architecture: 's390x', os: 'linux' },
];

async function pushImages(url: string, repository: string, kind: 'docker' | 'oci' = 'docker'): Promise<void> {
  for (const platform of platforms) {
    const { architecture, variant = '' } = platform;
    await pushImage(
      url,
      repository,
      `1.0-${architecture}${variant}`,
      makeImage({ salt: architecture, kind, platform }),
    );
  }
}

interface Counted extends RunningRegistry {
  readonly requests: string[];
}

let registry: Counted;
let at: (name: string) => string;
beforeAll(async () => {
  const requests: string[] = [];
  const running = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  registry = { ...running, requests };
  at = (name) => `${registry.host}/${name}`;
  await pushImages(registry.url, 'team/app');
  await pushImages(registry.url, 'oci/app', 'oci');
  await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
});
afterAll(() => registry.close());

/** Applies a text on stdin, with HOST standing for the registry. */
async function applyText(world: World, text: string | Uint8Array, ...args: readonly string[]): Promise<Ran> {
  const stdin = typeof text === 'string' ? text.replaceAll('HOST', registry.host) : text;
  return world.run(['apply', '-f', '-', ...args], { stdin });
}

async function report(world: World, text: string, ...args: readonly string[]): Promise<Report & { code: number }> {
  const ran = await applyText(world, text, '--json', ...args);
  return { ...(JSON.parse(ran.stdout) as Report), code: ran.code };
}

async function served(repository: string, name: string): Promise<Served & { readonly document: Index }> {
  const found = await getManifest(registry.url, repository, name);
  if (found === undefined) throw new Error(`${repository}:${name} is not there`);
  return { ...found, document: JSON.parse(found.bytes.toString()) as Index };
}

interface Index {
  readonly annotations?: object;
  readonly artifactType?: string;
  readonly subject?: object;
  readonly manifests: readonly { readonly digest: string; readonly platform?: object; readonly annotations?: object }[];
}

describe('what a spec makes', () => {
  test('the list that create and push make', async () => {
    const world = await World.make();
    const text = `list: HOST/team/app:one
tags: [latest, ":stable"]
manifests:
  - HOST/team/app:1.0-amd64
  - image: HOST/team/app:1.0-arm64v8
`;
    const ran = await applyText(world, text);
    expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('1 list: 1 pushed; 3 writes') as unknown });
    await world.must('create', at('team/app:two'), at('team/app:1.0-amd64'), at('team/app:1.0-arm64v8'));
    const digest = await world.must('push');
    expect(ran.stdout).toBe(`pushed    ${at('team/app:one')} ${digest}\n`);
    for (const tag of ['one', 'latest', 'stable']) expect((await served('team/app', tag)).digest).toBe(digest);
    expect(await world.must('ls')).not.toContain('team/app:one');
  });

  test('a second run reads one tag for each name, and writes nothing', async () => {
    const world = await World.make();
    const text = 'list: HOST/team/app:again\ntags: [also]\nmanifests: [HOST/team/app:1.0-amd64]\n';
    expect(await report(world, text)).toMatchObject({ writes: 2, counts: { pushed: 1 } });
    registry.requests.length = 0;
    expect(await report(world, text)).toMatchObject({ code: 0, writes: 0, counts: { unchanged: 1 } });
    expect(registry.requests.filter((one) => !/^(?:GET|HEAD) /.test(one))).toEqual([]);
    expect(registry.requests).toHaveLength(3);
  });

  test('templates over platforms', async () => {
    const world = await World.make();
    const text = `list: HOST/team/app:template
platforms: [linux/amd64, linux/arm64/v8, linux/arm/v7]
manifests:
  - HOST/team/app:1.0-{arch}{variant}
  - {image: "HOST/team/app:1.0-{arch}", platforms: [linux/s390x]}
`;
    expect(await report(world, text)).toMatchObject({ code: 0, counts: { pushed: 1 } });
    const { document } = await served('team/app', 'template');
    expect(document.manifests.map(({ platform }) => platform)).toEqual(platforms);
  });

  test('all that a list and an entry may say', async () => {
    const world = await World.make();
    const text = `list: HOST/oci/app:full
format: oci
artifactType: application/vnd.example
annotations: {org.opencontainers.image.title: "ünï 🚀", empty: ""}
subject: HOST/oci/app:1.0-s390x
expect: [linux/amd64/v3, linux/arm64]
manifests:
  - image: HOST/oci/app:1.0-amd64
    platform: {variant: v3, os.version: "10.0", os.features: [a, b]}
    annotations: {note: "10.0", on: yes}
    artifactType: application/vnd.entry
  - image: HOST/oci/app:1.0-arm64v8
    platform: linux/aarch64
`;
    expect((await applyText(world, text)).stderr).toContain('1 pushed');
    const { document } = await served('oci/app', 'full');
    expect(document).toMatchObject({
      artifactType: 'application/vnd.example',
      annotations: { 'org.opencontainers.image.title': 'ünï 🚀', empty: '' },
      subject: { digest: (await served('oci/app', '1.0-s390x')).digest },
      manifests: [
        {
          artifactType: 'application/vnd.entry',
          annotations: { note: '10.0', on: 'yes' },
          platform: {
            os: 'linux',
            architecture: 'amd64',
            variant: 'v3',
            'os.version': '10.0',
            'os.features': ['a', 'b'],
          },
        },
        { platform: { os: 'linux', architecture: 'arm64' } },
      ],
    });
  });

  test('attestations come along with their image, or are dropped', async () => {
    const world = await World.make();
    const text = `list: HOST/team/app:kept
manifests: [HOST/team/app:built]
---
list: HOST/team/app:dropped
attestations: drop
manifests: [HOST/team/app:built]
`;
    expect(await report(world, text)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    expect((await served('team/app', 'kept')).document.manifests).toHaveLength(2);
    expect((await served('team/app', 'dropped')).document.manifests).toHaveLength(1);
  });

  test('an image for one machine that is listed for another is told', async () => {
    const world = await World.make();
    const text = 'list: HOST/team/app:mixed\nmanifests: [{image: HOST/team/app:1.0-amd64, platform: linux/s390x}]\n';
    expect((await report(world, text)).lists[0]?.warnings).toEqual([
      expect.stringContaining('says that it is for linux/amd64, and is listed for linux/s390x'),
    ]);
  });

  test('from another repository: children move once, though two lists have them', async () => {
    const world = await World.make();
    const text = [1, 2]
      .map((n) => `---\nlist: HOST/elsewhere/app:${n}\nmanifests: [HOST/team/app:1.0-amd64, HOST/team/app:1.0-s390x]\n`)
      .join('');
    registry.requests.length = 0;
    expect(await report(world, text)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    const reads = registry.requests.filter((one) => one.startsWith('GET /v2/team/app/manifests/'));
    expect(reads).toHaveLength(2);
    expect((await served('elsewhere/app', '1')).document.manifests).toHaveLength(2);
  });

  test('JSON, an array, anchors and merge keys, CRLF and a byte order mark', async () => {
    const world = await World.make();
    const list = (name: string) => ({ list: at(`team/app:${name}`), manifests: [at('team/app:1.0-amd64')] });
    const json = JSON.stringify([list('json1'), list('json2')], undefined, '\t');
    expect(await report(world, json)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    const yaml = `\ufeff- &first
  list: HOST/team/app:merge1
  annotations: &notes {a: "1"}
  manifests: &images
    - HOST/oci/app:1.0-amd64
- <<: *first
  list: HOST/team/app:merge2
- list: HOST/team/app:merge3
  annotations: {<<: *notes, b: "2"}
  manifests: *images
`.replaceAll('\n', '\r\n');
    expect(await report(world, yaml)).toMatchObject({ code: 0, counts: { pushed: 3 } });
    expect((await served('team/app', 'merge2')).document.annotations).toEqual({ a: '1' });
    expect((await served('team/app', 'merge3')).document.annotations).toEqual({ a: '1', b: '2' });
  });

  test('several files, and paths from where one is', async () => {
    const world = await World.make();
    await mkdir(join(world.folder, 'inner'));
    await world.must('copy', at('team/app:1.0-amd64'), 'oci:inner/layout:v1');
    const text = (name: string) => `list: ${at(`files/app:${name}`)}\nmanifests: [oci:layout:v1]\n`;
    await writeFile(join(world.folder, 'inner', 'a.yaml'), text('a'));
    await writeFile(join(world.folder, 'inner', 'b.yaml'), text('b'));
    const ran = await world.run(['apply', '-f', 'a.yaml', '-f', 'b.yaml'], { cwd: join(world.folder, 'inner') });
    expect(ran).toMatchObject({ code: 0 });
    expect((await served('files/app', 'a')).digest).toBe((await served('files/app', 'b')).digest);
  });

  test('--dry-run plans, and the digest is that of the run', async () => {
    const world = await World.make();
    const text = `list: HOST/dry/app:v1\nmanifests: [HOST/team/app:1.0-amd64]\n---\nlist: HOST/dry/app:v2\ncopy: HOST/team/app:built\n`;
    registry.requests.length = 0;
    const planned = await report(world, text, '--dry-run');
    expect(planned).toMatchObject({ code: 0, writes: 0, counts: { planned: 2 } });
    expect(registry.requests.filter((one) => !/^(?:GET|HEAD) /.test(one))).toEqual([]);
    const done = await report(world, text);
    expect(done.lists.map(({ digest }) => digest)).toEqual(planned.lists.map(({ digest }) => digest));
    expect(await report(world, text, '--dry-run')).toMatchObject({ counts: { unchanged: 2 } });
  });
});

describe('missing images', () => {
  const text = (minimum: number) => `list: HOST/team/app:some
ignoreMissing: {minimum: ${minimum}}
platforms: [linux/amd64, linux/riscv64, linux/s390x]
manifests: ["HOST/team/app:1.0-{arch}"]
`;

  test('are left out where enough are there, and told', async () => {
    const world = await World.make();
    const told = await report(world, text(2));
    expect(told).toMatchObject({ code: 0, lists: [{ missing: [at('team/app:1.0-riscv64')] }] });
    expect((await served('team/app', 'some')).document.manifests).toHaveLength(2);
  });

  test('are an error where too few are there', async () => {
    const world = await World.make();
    const told = await report(world, text(3));
    expect(told).toMatchObject({ code: 4, counts: { failed: 1 } });
    expect(told.lists[0]?.errors[0]?.message).toContain('2 of the 3 images');
  });

  test('without it every missing image is named', async () => {
    const world = await World.make();
    const told = await report(world, 'list: HOST/team/app:x\nmanifests: [HOST/team/app:no1, HOST/team/app:no2]\n');
    expect(told.code).toBe(4);
    expect(told.lists[0]?.errors.map(({ message }) => /app:no\d/.exec(message)?.[0])).toEqual(['app:no1', 'app:no2']);
  });

  test('a registry that does not answer is no missing image', async () => {
    const world = await World.make();
    const refused = `list: HOST/team/app:x\nignoreMissing: {minimum: 1}\nmanifests: [HOST/team/app:1.0-amd64, localhost:1/a:b]\n`;
    expect(await report(world, refused, '--retries', '0')).toMatchObject({ code: 7, counts: { failed: 1 } });
  });

  test('an image of which a part is missing is none', async () => {
    const world = await World.make();
    const broken = makeImage({ salt: 'broken' });
    await putManifest(registry.url, 'broken/app', 'v1', broken.mediaType, broken.bytes).catch(() => undefined);
    await pushImage(registry.url, 'broken/app', 'v1', broken);
    await fetch(
      `${registry.url}/v2/broken/app/blobs/${(JSON.parse(broken.bytes.toString()) as { config: { digest: string } }).config.digest}`,
      {
        method: 'DELETE',
      },
    );
    const spec =
      'list: HOST/broken/app:x\nignoreMissing: {minimum: 1}\nmanifests: [HOST/broken/app:v1, HOST/team/app:1.0-amd64]\n';
    const told = await report(world, spec);
    expect(told).toMatchObject({ code: 4, counts: { failed: 1 } });
  });
});

describe('one failure does not stop the rest', () => {
  test('a poisoned document among others is told with its line, in every file', async () => {
    const world = await World.make();
    const good = (name: string) => `list: ${at(`team/app:${name}`)}\nmanifests: [${at('team/app:1.0-amd64')}]\n`;
    await writeFile(
      join(world.folder, 'a.yaml'),
      `${good('p1')}---\nlist: "unclosed\nmanifests: []\n---\n${good('p2')}`,
    );
    await writeFile(join(world.folder, 'b.yaml'), `${good('p3')}---\n${good('p4')}\tmanifests: x\n---\n${good('p5')}`);
    const ran = await world.run(['apply', '-f', 'a.yaml', '-f', 'b.yaml']);
    expect(ran.code).toBe(3);
    expect(ran.stdout.split('\n').map((line) => line.slice(0, 9).trim())).toEqual([
      ...['pushed', 'failed', 'pushed', 'pushed', 'failed', 'pushed', ''],
    ]);
    expect(ran.stderr).toContain('mlist: a.yaml:4:7: Missing closing');
    expect(ran.stderr).toMatch(/mlist: b\.yaml:6:\d+: /);
    for (const tag of ['p1', 'p2', 'p3', 'p5']) expect(await served('team/app', tag)).toBeDefined();
  });

  test('the exit code is that of the worst', async () => {
    const world = await World.make();
    const text = `list: HOST/team/app:w1
manifests: [HOST/team/app:gone]
---
nonsense: true
---
list: localhost:1/a:b
manifests: [HOST/team/app:1.0-amd64]
---
list: HOST/team/app:w2
manifests: [HOST/team/app:1.0-amd64]
`;
    const told = await report(world, text, '--retries', '0');
    expect(told.code).toBe(7);
    expect(told.lists.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed', 'pushed']);
    expect(told.lists.map(({ line }) => line)).toEqual([1, 4, 6, 9]);
  });

  test('a file that is not there does not stop the others', async () => {
    const world = await World.make();
    await writeFile(
      join(world.folder, 'a.yaml'),
      `list: ${at('team/app:f1')}\nmanifests: [${at('team/app:1.0-amd64')}]\n`,
    );
    const ran = await world.run(['apply', '-f', 'none.yaml', '-f', 'a.yaml']);
    expect(ran).toMatchObject({ code: 4, stderr: expect.stringContaining('cannot read none.yaml') as unknown });
    expect(await served('team/app', 'f1')).toBeDefined();
  });

  test('an interrupted run is told, and the next one finishes', async () => {
    const world = await World.make();
    const text = Array.from(
      { length: 60 },
      (_, n) => `---\nlist: HOST/stop/app:v${n}\nmanifests: [HOST/team/app:1.0-amd64]\n`,
    ).join('');
    const interrupt = new AbortController();
    const running = world.run(['apply', '-f', '-', '--json'], {
      stdin: text.replaceAll('HOST', registry.host),
      signal: interrupt.signal,
    });
    const timer = setInterval(() => {
      if (!registry.requests.some((one) => one.startsWith('PUT /v2/stop/app/manifests/v'))) return;
      clearInterval(timer);
      interrupt.abort(new Error('stopped by the test'));
    }, 1);
    const first = await running;
    const stopped = JSON.parse(first.stdout) as Report;
    expect(first.code).not.toBe(0);
    expect(stopped.counts['stopped']).toBeGreaterThan(0);
    const second = await report(world, text);
    expect(second).toMatchObject({ code: 0 });
    expect((second.counts['pushed'] ?? 0) + (second.counts['unchanged'] ?? 0)).toBe(60);
    expect(await report(world, text)).toMatchObject({ writes: 0, counts: { unchanged: 60 } });
  });
});

describe('refused, with line and column', () => {
  const image = 'HOST/team/app:1.0-amd64';
  test.each<[string, string, string]>([
    ['an empty file', '', '1:1: holds no spec'],
    ['comments only', '# nothing\n---\n', '1:1: holds no spec'],
    ['an empty array', '[]', '1:1: holds no spec'],
    ['a text', 'hello', '1:1: must be of type object, not string'],
    ['a tab', `list: a\nmanifests:\n\t- ${image}\n`, '3:1: Tabs are not allowed as indentation'],
    [
      'an unknown member',
      `list: HOST/a:b\nmanifest: []\nmanifests: [${image}]\n`,
      '2:1: this member is not known here',
    ],
    [
      'an unknown member inside',
      `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    platfrom: x\n`,
      '4:5: this member',
    ],
    ['a member twice', `list: HOST/a:b\nmanifests: []\nlist: HOST/c:d\n`, '3:1: stands here a second time'],
    ['a member twice in JSON', '{"list": "a",\n "list": "b"}', '2:2: stands here a second time'],
    [
      'a number for a text',
      `list: HOST/a:b\nmanifests:\n  - {platform: {os.version: 10.0}, image: ${image}}\n`,
      '3:29: must be of type string or null, not number: write "10.0" in quotes',
    ],
    [
      'a tag that is a number',
      `list: HOST/a:b\ntags: [1.10]\nmanifests: [${image}]\n`,
      '2:8: must be of type string, not number: write "1.10" in quotes',
    ],
    [
      'a boolean',
      `list: HOST/a:b\nannotations: {a: true}\nmanifests: [${image}]\n`,
      '2:18: must be of type string, not boolean',
    ],
    ['nothing for a text', `list:\nmanifests: [${image}]\n`, '1:1: must be of type string, not null'],
    ['no list', `manifests: [${image}]\n`, '1:1: "list" is missing'],
    ['a bad list', `list: HOST/UPPER:b\nmanifests: [${image}]\n`, '1:7: invalid reference'],
    [
      'a list by digest',
      `list: HOST/a@sha256:${'0'.repeat(64)}\nmanifests: [${image}]\n`,
      '1:7: a list is named by a tag',
    ],
    ['a bad image', `list: HOST/a:b\nmanifests:\n  - image: a/UPPER/case\n`, '3:12: invalid reference'],
    [
      'a bad platform',
      `list: HOST/a:b\nmanifests:\n  - {platform: linux, image: ${image}}\n`,
      '3:16: invalid platform',
    ],
    [
      'an unknown placeholder',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: ["HOST/a:{arch}-{version}"]\n`,
      '3:13: there is no placeholder {version}',
    ],
    [
      'a lonely brace',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: ["HOST/a:{arch"]\n`,
      '3:13: a brace stands alone',
    ],
    ['placeholders without platforms', `list: HOST/a:b\nmanifests: ["HOST/a:{arch}"]\n`, '2:13: has placeholders'],
    [
      'platforms without placeholders',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: [${image}]\n`,
      '2:12: no image has a placeholder',
    ],
    ['no minimum', `list: HOST/a:b\nignoreMissing: {}\nmanifests: [${image}]\n`, '2:16: "minimum" is missing'],
    ['a minimum of nothing', `list: HOST/a:b\nignoreMissing: {minimum: 0}\nmanifests: [${image}]\n`, '2:26: '],
    ['copy beside manifests', `list: HOST/a:b\ncopy: ${image}\nmanifests: []\n`, '3:12: cannot stand beside "copy"'],
    ['neither', 'list: HOST/a:b\n', '1:1: has neither'],
    [
      'a media type without digest',
      `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    mediaType: a/b\n    size: 1\n`,
      '3:12: needs a digest',
    ],
    ['a media type without size', `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    mediaType: a/b\n`, '3:5: '],
    ['an alias without anchor', `list: HOST/a:b\nmanifests: *none\n`, '2:12: there is no anchor &none'],
    ['an unknown tag', `list: !!js/function HOST/a:b\nmanifests: []\n`, '1:7: Unresolved tag'],
    ['a merge of nothing', `<<: 1\nlist: HOST/a:b\n`, '1:5: "<<" takes a map'],
    [
      'infinity',
      `list: HOST/a:b\nignoreMissing: {minimum: .inf}\nmanifests: []\n`,
      '2:26: is neither text nor a number',
    ],
    ['an alias of itself', `list: &a [*a]\n`, 'is nested too deeply'],
    ['deep brackets', '['.repeat(100_000), '1:51: is nested too deeply'],
    ['deep dashes', '- '.repeat(100_000), 'is nested too deeply'],
    ['many anchors', `a: ${'&a '.repeat(100_000)}`, 'is nested too deeply'],
    ['an alias bomb', aliasBomb(), 'its aliases stand for too many values'],
  ])('%s', async (_name, text, message) => {
    const world = await World.make();
    const ran = await applyText(world, text);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(
      message.startsWith('is ') || message.startsWith('its ') ? message : `mlist: stdin:${message}`,
    );
  });

  test('all that is wrong with a spec is told at once', async () => {
    const world = await World.make();
    const ran = await applyText(
      world,
      `list: HOST/UPPER:b\ntags: [a b, "x y"]\nexpect: [nothing]\nmanifests: [Bad, "x:{arch}"]\n`,
    );
    expect([...ran.stderr.matchAll(/^mlist: stdin:(\d+:\d+)/gm)].map(([, place]) => place)).toEqual(
      expect.arrayContaining(['1:7', '3:10', '4:13', '4:18']),
    );
  });

  test('the same list twice: both, each naming the other', async () => {
    const world = await World.make();
    const text = `list: HOST/twice/app:a\nmanifests: [${image}]\n---\nlist: HOST/twice/app:b\ntags: [a]\nmanifests: [${image}]\n---\nlist: HOST/twice/app:c\nmanifests: [${image}]\n`;
    const told = await report(world, text);
    expect(told).toMatchObject({ code: 3, counts: { failed: 2, pushed: 1 } });
    expect(told.lists.flatMap(({ errors }) => errors.map((error) => error.message))).toEqual([
      expect.stringContaining('stdin:1:1: ' + at('twice/app:a is also the list of stdin:4')),
      expect.stringContaining('stdin:4:1: ' + at('twice/app:a is also the list of stdin:1')),
    ]);
  });

  test('an image that another spec makes', async () => {
    const world = await World.make();
    const text = `list: HOST/after/app:a\nmanifests: [${image}]\n---\nlist: HOST/after/app:b\nmanifests: [HOST/after/app:a]\n`;
    const told = await report(world, text);
    expect(told).toMatchObject({ code: 3, counts: { failed: 1, pushed: 1 } });
    expect(told.lists[1]?.errors[0]?.message).toContain('is read here and made by stdin:1');
  });

  test('bytes that are no text, and UTF-16', async () => {
    const world = await World.make();
    expect((await applyText(world, Buffer.from('list: a\n# \xff\n', 'latin1'))).stderr).toContain(
      'stdin:2:1: is not UTF-8',
    );
    expect((await applyText(world, Buffer.from('\ufefflist: a', 'utf16le'))).stderr).toContain('stdin:1:1: is UTF-16');
  });

  test('100 MiB, from a file and from stdin', async () => {
    const world = await World.make();
    const much = Buffer.alloc(100 * 1024 * 1024, ' ');
    await writeFile(join(world.folder, 'much.yaml'), much);
    expect(await world.run(['apply', '-f', 'much.yaml'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('much.yaml:1:1: has 104857600 bytes') as unknown,
    });
    expect((await applyText(world, much)).stderr).toContain('stdin:1:1: has 104857600 bytes');
  });

  test.each<[string, readonly string[], string]>([
    ['no file', [], 'apply takes files with -f'],
    ['a file twice', ['-f', 'a', '-f', 'a'], 'the same file is given twice'],
    ['a shard of none', ['-f', 'a', '--shard', '0/4'], '--shard takes I/N'],
    ['a shard beyond', ['-f', 'a', '--shard', '5/4'], '--shard takes I/N'],
    ['a shard of nothing', ['-f', 'a', '--shard', '1/0'], '--shard takes I/N'],
  ])('the command line: %s', async (_name, args, message) => {
    const world = await World.make();
    expect(await world.run(['apply', ...args])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(message) as unknown,
    });
  });
});

/** Nine levels of nine aliases. */
function aliasBomb(): string {
  const levels = Array.from(
    { length: 9 },
    (_, n) =>
      `l${n}: &l${n} [${Array(9)
        .fill(n === 0 ? 'lol' : `*l${n - 1}`)
        .join(', ')}]`,
  );
  return `${levels.join('\n')}\n`;
}

describe('manifest-tool', () => {
  test('its spec, with what it does otherwise', async () => {
    const world = await World.make();
    const text = `image: HOST/tool/app:1.0
tags: [1.10, stable]
manifests:
  - image: HOST/oci/app:1.0-amd64
    platform:
      architecture: amd64
      os: linux
      os.version: 10.0
  - image: HOST/oci/app:1.0-arm64v8
    platform: {architecture: arm64, os: linux}
`;
    const told = await report(world, text);
    expect(told).toMatchObject({ code: 0, counts: { pushed: 1 } });
    expect(told.lists[0]?.warnings).toEqual([
      'stdin:2:8: 1.10 is taken for the text "1.10"',
      'stdin:8:19: manifest-tool passes over os.version, and knows osversion only',
      'stdin:8:19: 10.0 is taken for the text "10.0"',
      expect.stringContaining('it is an OCI index'),
    ]);
    expect((await served('tool/app', '1.10')).document.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux', 'os.version': '10.0' },
      { architecture: 'arm64', os: 'linux', variant: 'v8' },
    ]);
  });

  test('what it passes over in silence is refused', async () => {
    const world = await World.make();
    const text = `image: HOST/tool/app\nmanifests:\n  - image: HOST/oci/app:1.0-amd64\n    platfrom: {os: linux}\n`;
    expect(await applyText(world, text)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('stdin:4:5: this member is not known here') as unknown,
    });
  });
});

describe('--shard', () => {
  test('each list falls to exactly one runner, whatever the order of the files', async () => {
    const world = await World.make();
    const docs = Array.from(
      { length: 25 },
      (_, n) => `list: HOST/shard/app:v${n}\nmanifests: [HOST/team/app:1.0-amd64]\n`,
    );
    const broken = 'nonsense\n';
    const parts = await Promise.all(
      [1, 2, 3].map((n) => {
        const order = n === 2 ? docs.toReversed() : docs;
        return report(world, [...order, broken].join('---\n'), '--shard', `${n}/3`, '--dry-run');
      }),
    );
    const names = parts.flatMap(({ lists }) => lists.map(({ ref }) => ref ?? 'broken'));
    expect(new Set(names).size).toBe(26);
    expect(names).toHaveLength(26);
    expect(parts.map(({ lists }) => lists.length).sort()).toEqual([8, 9, 9]);
  });

  test('a runner to which nothing falls is done', async () => {
    const world = await World.make();
    const ran = await applyText(world, 'list: HOST/shard/app:v\nmanifests: []\n', '--shard', '2/2');
    expect(ran).toMatchObject({ code: 0, stdout: '' });
  });
});

describeOnRegistries('export', (start) => {
  let running: Registry;
  let host: (name: string) => string;
  beforeAll(async () => {
    running = await start();
    host = (name) => `${running.host}/${name}`;
    await pushImages(running.url, 'src/docker');
    await pushImages(running.url, 'src/oci', 'oci');
    await pushBuild(running.url, 'src/oci', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
    const world = await World.make();
    const names = ['amd64', 'arm64v8', 'armv7'];
    await world.must('create', host('src/docker:list'), ...names.map((name) => host(`src/docker:1.0-${name}`)));
    await world.must('push');
    await world.must(
      'create',
      host('src/oci:list'),
      ...[...names.map((n) => `1.0-${n}`), 'built'].map((n) => host(`src/oci:${n}`)),
    );
    await world.must(
      'annotate',
      '--index-annotation',
      'b=<&>',
      '--index-annotation',
      'ünï="',
      '--subject',
      host('src/oci:1.0-s390x'),
    );
    await world.must(
      'annotate',
      host('src/oci:list'),
      host('src/oci:1.0-amd64'),
      '--os-version',
      '10.0',
      '--annotation',
      'on=yes',
    );
    await world.must('push');
    const image = makeImage({ salt: 'amd64', kind: 'oci', platform: platforms[0]! });
    const foreign = makeIndex([entryOf(image, platforms[0], { 'x-unknown': 1 })], { annotations: { z: '1', a: '2' } });
    await putManifest(running.url, 'src/oci', 'foreign', foreign.mediaType, foreign.bytes);
    const double = makeIndex([entryOf(image, platforms[0]), entryOf(image, platforms[0], { annotations: { a: 'b' } })]);
    await putManifest(running.url, 'src/oci', 'double', double.mediaType, double.bytes);
  });
  afterAll(() => running.close());

  test.each<[string, string, 'manifests' | 'copy']>([
    ['a Docker list', 'src/docker:list', 'manifests'],
    ['an OCI index with all that it may say', 'src/oci:list', 'manifests'],
    ['an index of another encoding', 'src/oci:foreign', 'copy'],
    ['an index of a build', 'src/oci:built', 'copy'],
    ['an image', 'src/oci:1.0-amd64', 'copy'],
  ])('%s: export and apply give the same digest', async (_name, ref, member) => {
    const world = await World.make();
    const digest = await world.must('digest', host(ref));
    const spec = await world.must('export', host(ref));
    expect(Object.keys(JSON.parse(await world.must('export', host(ref), '--json')) as object)).toContain(member);
    const again = await world.run(['apply', '-f', '-', '--json'], { stdin: spec });
    expect(JSON.parse(again.stdout)).toMatchObject({ writes: 0, counts: { unchanged: 1 } });
    const elsewhere = host(`copy/${ref}`);
    const ran = await world.run(['apply', '-f', '-'], {
      stdin: await world.must('export', host(ref), '--as', elsewhere),
    });
    expect(ran).toMatchObject({ code: 0, stdout: `pushed    ${elsewhere} ${digest}\n` });
    expect(await world.must('digest', `docker://${elsewhere}`)).toBe(digest);
  });

  test('a draft', async () => {
    const world = await World.make();
    await world.must('create', host('from/draft:v1'), host('src/oci:1.0-amd64'), host('src/oci:built'));
    await world
      .must('annotate', '--platform', 'linux/amd64', '--variant', 'v3', '--index-annotation', 'a=b')
      .catch(() => undefined);
    const digest = await world.must('digest');
    const ran = await world.run(['apply', '-f', '-'], { stdin: await world.must('export') });
    expect(ran).toMatchObject({ code: 0, stdout: `pushed    ${host('from/draft:v1')} ${digest}\n` });
  });

  test('what names no list needs --as', async () => {
    const world = await World.make();
    await world.must('copy', host('src/oci:list'), 'oci:there:v1');
    expect(await world.run(['export', 'oci:there:v1'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--as') as unknown,
    });
    const spec = await world.must('export', 'oci:there:v1', '--as', host('from/layout:v1'));
    expect((await world.run(['apply', '-f', '-'], { stdin: spec })).code).toBe(0);
    expect(await world.must('digest', `docker://${host('from/layout:v1')}`)).toBe(
      await world.must('digest', host('src/oci:list')),
    );
  });
});

test('a spec of 10 000 entries', async () => {
  const world = await World.make();
  const digest = (await served('team/app', '1.0-amd64')).digest;
  const entry = (n: number) =>
    `  - {image: "HOST/team/app@${digest}", mediaType: application/vnd.oci.image.manifest.v1+json, size: ${n}, platform: {os: linux, architecture: a${n}}}\n`;
  const text = `list: HOST/team/app:many\nmanifests:\n${Array.from({ length: 10_000 }, (_, n) => entry(n)).join('')}`;
  const told = await report(world, text);
  expect(told).toMatchObject({ code: 3, counts: { failed: 1 } });
});
