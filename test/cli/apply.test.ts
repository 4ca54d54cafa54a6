import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CliHarness } from '../support/cli-harness.ts';
import { applyText, at, platforms, registry, report, served, serveApplyImages } from '../support/apply-fixture.ts';

/** `apply`: the lists that it writes, and what a second run does. */
serveApplyImages();

describe('apply', () => {
  test('writes the same list as create and push', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/team/app:one
tags: [latest, ":stable"]
manifests:
  - HOST/team/app:1.0-amd64
  - image: HOST/team/app:1.0-arm64v8
`;
    const result = await applyText(cli, text);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('1 list: 1 pushed; 3 writes') as unknown });
    await cli.must('create', at('team/app:two'), at('team/app:1.0-amd64'), at('team/app:1.0-arm64v8'));
    const digest = await cli.must('push');
    expect(result.stdout).toBe(`pushed    ${at('team/app:one')} ${digest}\n`);
    for (const tag of ['one', 'latest', 'stable']) expect((await served('team/app', tag)).digest).toBe(digest);
    expect(await cli.must('ls')).not.toContain('team/app:one');
  });

  test('reads one tag per name in a second run, and writes nothing', async () => {
    const cli = await CliHarness.make();
    const text = 'list: HOST/team/app:again\ntags: [also]\nmanifests: [HOST/team/app:1.0-amd64]\n';
    expect(await report(cli, text)).toMatchObject({ writes: 2, counts: { pushed: 1 } });
    registry.requests.length = 0;
    expect(await report(cli, text)).toMatchObject({ code: 0, writes: 0, counts: { unchanged: 1 } });
    expect(registry.requests.filter((one) => !/^(?:GET|HEAD) /.test(one))).toEqual([]);
    expect(registry.requests).toHaveLength(3);
  });

  test('sends everything again with --force, and writes tags that have the list', async () => {
    const cli = await CliHarness.make();
    const text = `---
list: HOST/forced/app:made
manifests: [HOST/team/app:1.0-amd64]
---
list: HOST/forced/app:copied
copy: HOST/team/app:1.0-s390x
`;
    expect(await report(cli, text)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    expect(await report(cli, text)).toMatchObject({ code: 0, writes: 0, counts: { unchanged: 2 } });
    registry.requests.length = 0;
    expect(await report(cli, text, '--force')).toMatchObject({ code: 0, counts: { pushed: 2 } });
    const { manifests } = (await served('forced/app', 'made')).document;
    const written = registry.requests.flatMap((one) => /^PUT .*\/forced\/app\/manifests\/(.*)$/.exec(one)?.[1] ?? []);
    expect(written.sort()).toEqual(['copied', 'made', manifests[0]?.digest]);
  });

  test('expands templates over platforms', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/team/app:template
platforms: [linux/amd64, linux/arm64/v8, linux/arm/v7]
manifests:
  - HOST/team/app:1.0-{arch}{variant}
  - {image: "HOST/team/app:1.0-{arch}", platforms: [linux/s390x]}
`;
    expect(await report(cli, text)).toMatchObject({ code: 0, counts: { pushed: 1 } });
    const { document } = await served('team/app', 'template');
    expect(document.manifests.map(({ platform }) => platform)).toEqual(platforms);
  });

  test('writes all fields of a list and of an entry', async () => {
    const cli = await CliHarness.make();
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
    expect((await applyText(cli, text)).stderr).toContain('1 pushed');
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

  test('keeps attestations with their image, or drops them', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/team/app:kept
manifests: [HOST/team/app:built]
---
list: HOST/team/app:dropped
attestations: drop
manifests: [HOST/team/app:built]
`;
    expect(await report(cli, text)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    expect((await served('team/app', 'kept')).document.manifests).toHaveLength(2);
    expect((await served('team/app', 'dropped')).document.manifests).toHaveLength(1);
  });

  test('warns if an image is listed for another platform than its own', async () => {
    const cli = await CliHarness.make();
    const text = 'list: HOST/team/app:mixed\nmanifests: [{image: HOST/team/app:1.0-amd64, platform: linux/s390x}]\n';
    expect((await report(cli, text)).lists[0]?.warnings).toEqual([
      expect.stringContaining('is listed for linux/s390x, but its config states linux/amd64'),
    ]);
  });

  test('copies children from another repository once for two lists', async () => {
    const cli = await CliHarness.make();
    const text = [1, 2]
      .map((n) => `---\nlist: HOST/elsewhere/app:${n}\nmanifests: [HOST/team/app:1.0-amd64, HOST/team/app:1.0-s390x]\n`)
      .join('');
    registry.requests.length = 0;
    expect(await report(cli, text)).toMatchObject({ code: 0, counts: { pushed: 2 } });
    const reads = registry.requests.filter((one) => one.startsWith('GET /v2/team/app/manifests/'));
    expect(reads).toHaveLength(2);
    expect((await served('elsewhere/app', '1')).document.manifests).toHaveLength(2);
  });

  test('accepts JSON, an array, anchors and merge keys, CRLF and a byte order mark', async () => {
    const cli = await CliHarness.make();
    const list = (name: string) => ({ list: at(`team/app:${name}`), manifests: [at('team/app:1.0-amd64')] });
    const json = JSON.stringify([list('json1'), list('json2')], undefined, '\t');
    expect(await report(cli, json)).toMatchObject({ code: 0, counts: { pushed: 2 } });
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
    expect(await report(cli, yaml)).toMatchObject({ code: 0, counts: { pushed: 3 } });
    expect((await served('team/app', 'merge2')).document.annotations).toEqual({ a: '1' });
    expect((await served('team/app', 'merge3')).document.annotations).toEqual({ a: '1', b: '2' });
  });

  test('accepts several files, and resolves paths against the current folder', async () => {
    const cli = await CliHarness.make();
    await mkdir(join(cli.folder, 'inner'));
    await cli.must('copy', at('team/app:1.0-amd64'), 'oci:inner/layout:v1');
    const text = (name: string) => `list: ${at(`files/app:${name}`)}\nmanifests: [oci:layout:v1]\n`;
    await writeFile(join(cli.folder, 'inner', 'a.yaml'), text('a'));
    await writeFile(join(cli.folder, 'inner', 'b.yaml'), text('b'));
    const result = await cli.run(['apply', '-f', 'a.yaml', '-f', 'b.yaml'], { cwd: join(cli.folder, 'inner') });
    expect(result).toMatchObject({ code: 0 });
    expect((await served('files/app', 'a')).digest).toBe((await served('files/app', 'b')).digest);
  });

  test('--dry-run prints each tag that would be written, and its current digest', async () => {
    const cli = await CliHarness.make();
    const spec = (tags: string, image: string) =>
      `list: HOST/team/app:moved\ntags: [${tags}]\nmanifests: [HOST/team/app:1.0-${image}]\n`;
    await applyText(cli, spec('moved-old', 'amd64'));
    const { digest: old } = await served('team/app', 'moved');
    await applyText(cli, `list: HOST/team/app:moved\nmanifests: [HOST/team/app:1.0-s390x]\n`, '--replace-image');
    const { digest } = await served('team/app', 'moved');
    const result = await applyText(cli, spec('moved-old, moved-new', 's390x'), '--dry-run', '--replace-image');
    expect(result.stdout).toBe(`planned   ${at('team/app:moved')} ${digest}\n`);
    expect(result.stderr.trimEnd().split('\n')).toEqual([
      `  tag      ${at('team/app:moved')} already refers to the list`,
      `  tag      ${at('team/app:moved-old')} refers to ${old}`,
      `warning: ${at('team/app:moved-old')} loses platforms that ${old} has: linux/amd64`,
      `  tag      ${at('team/app:moved-new')} is new`,
      'hosts',
      `  write    ${at('team/app').split('/')[0] ?? ''}  no credentials`,
      '1 list: 1 planned; 0 writes',
    ]);
  });

  test('--dry-run plans, and prints the digest of the later run', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/dry/app:v1\nmanifests: [HOST/team/app:1.0-amd64]\n---\nlist: HOST/dry/app:v2\ncopy: HOST/team/app:built\n`;
    registry.requests.length = 0;
    const planned = await report(cli, text, '--dry-run');
    expect(planned).toMatchObject({ code: 0, writes: 0, counts: { planned: 2 } });
    expect(registry.requests.filter((one) => !/^(?:GET|HEAD) /.test(one))).toEqual([]);
    const done = await report(cli, text);
    expect(done.lists.map(({ digest }) => digest)).toEqual(planned.lists.map(({ digest }) => digest));
    expect(await report(cli, text, '--dry-run')).toMatchObject({ counts: { unchanged: 2 } });
  });
});

describe('--shard', () => {
  test('each list belongs to exactly one shard, whatever the order of the files', async () => {
    const cli = await CliHarness.make();
    const docs = Array.from(
      { length: 25 },
      (_, n) => `list: HOST/shard/app:v${n}\nmanifests: [HOST/team/app:1.0-amd64]\n`,
    );
    const broken = 'nonsense\n';
    const parts = await Promise.all(
      [1, 2, 3].map((n) => {
        const order = n === 2 ? docs.toReversed() : docs;
        return report(cli, [...order, broken].join('---\n'), '--shard', `${n}/3`, '--dry-run');
      }),
    );
    const names = parts.flatMap(({ lists }) => lists.map(({ ref }) => ref ?? 'broken'));
    expect(new Set(names).size).toBe(26);
    expect(names).toHaveLength(26);
    expect(parts.map(({ lists }) => lists.length).sort()).toEqual([8, 9, 9]);
  });

  test('succeeds if the shard has no lists', async () => {
    const cli = await CliHarness.make();
    const result = await applyText(cli, 'list: HOST/shard/app:v\nmanifests: []\n', '--shard', '2/2');
    expect(result).toMatchObject({ code: 0, stdout: '' });
  });
});
