import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { at, registry, report, served, serveApplyImages, type Report } from '../support/apply-fixture.ts';

/** `apply` of many lists, where images are missing or one list fails. */
serveApplyImages();

describe('missing images', () => {
  const text = (minimum: number) => `list: HOST/team/app:some
ignoreMissing: {minimum: ${minimum}}
platforms: [linux/amd64, linux/riscv64, linux/s390x]
manifests: ["HOST/team/app:1.0-{arch}"]
`;

  test('skips and reports missing images if enough images exist', async () => {
    const cli = await CliHarness.make();
    const result = await report(cli, text(2));
    expect(result).toMatchObject({ code: 0, lists: [{ missing: [at('team/app:1.0-riscv64')] }] });
    expect((await served('team/app', 'some')).document.manifests).toHaveLength(2);
  });

  test('fails if too few images exist', async () => {
    const cli = await CliHarness.make();
    const result = await report(cli, text(3));
    expect(result).toMatchObject({ code: 4, counts: { failed: 1 } });
    expect(result.lists[0]?.errors[0]?.message).toContain('found only 2 images, but the spec requires at least 3');
  });

  test('an index without images is not written, and the hint says what to do', async () => {
    const cli = await CliHarness.make();
    const { mediaType, bytes } = makeIndex([]);
    await putManifest(registry.url, 'team/app', 'nothing', mediaType, bytes);
    const result = await report(cli, 'list: HOST/team/app:x\nmanifests: [HOST/team/app:nothing]\n');
    expect(result.code).toBe(3);
    expect(result.lists[0]?.errors[0]).toMatchObject({
      hint: expect.stringContaining('remove the spec of this list') as unknown,
    });
  });

  test('names every missing image by default', async () => {
    const cli = await CliHarness.make();
    const result = await report(cli, 'list: HOST/team/app:x\nmanifests: [HOST/team/app:no1, HOST/team/app:no2]\n');
    expect(result.code).toBe(4);
    expect(result.lists[0]?.errors.map(({ message }) => /app:no\d/.exec(message)?.[0])).toEqual(['app:no1', 'app:no2']);
  });

  test('reports each missing platform once', async () => {
    const cli = await CliHarness.make();
    const result = await report(
      cli,
      'list: HOST/team/app:x\nexpect: [linux/s390x]\nmanifests: [HOST/team/app:1.0-amd64]\n',
    );
    const [message] = result.lists[0]?.errors.map((error) => error.message) ?? [];
    expect([result.code, message]).toEqual([
      3,
      expect.stringMatching(/:1: [^ ]+\/team\/app:x lacks linux\/s390x, which it is/),
    ]);
  });

  test('does not treat an unreachable registry as a missing image', async () => {
    const cli = await CliHarness.make();
    const refused = `list: HOST/team/app:x\nignoreMissing: {minimum: 1}\nmanifests: [HOST/team/app:1.0-amd64, localhost:1/a:b]\n`;
    expect(await report(cli, refused, '--retries', '0')).toMatchObject({ code: 7, counts: { failed: 1 } });
  });

  test('does not treat an image with a missing part as a missing image', async () => {
    const cli = await CliHarness.make();
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
    const result = await report(cli, spec);
    expect(result).toMatchObject({ code: 4, counts: { failed: 1 } });
  });
});

describe('one failure does not stop the other lists', () => {
  test('reports a malicious document with its line, and applies the others, in every file', async () => {
    const cli = await CliHarness.make();
    const good = (name: string) => `list: ${at(`team/app:${name}`)}\nmanifests: [${at('team/app:1.0-amd64')}]\n`;
    await writeFile(join(cli.folder, 'a.yaml'), `${good('p1')}---\nlist: "unclosed\nmanifests: []\n---\n${good('p2')}`);
    await writeFile(join(cli.folder, 'b.yaml'), `${good('p3')}---\n${good('p4')}\tmanifests: x\n---\n${good('p5')}`);
    const result = await cli.run(['apply', '-f', 'a.yaml', '-f', 'b.yaml']);
    expect(result.code).toBe(3);
    expect(result.stdout.split('\n').map((line) => line.slice(0, 9).trim())).toEqual([
      ...['pushed', 'failed', 'pushed', 'pushed', 'failed', 'pushed', ''],
    ]);
    expect(result.stderr).toContain('mlist: a.yaml:4:7: Missing closing');
    expect(result.stderr).toMatch(/mlist: b\.yaml:6:\d+: /);
    for (const tag of ['p1', 'p2', 'p3', 'p5']) expect(await served('team/app', tag)).toBeDefined();
  });

  test('the exit code is the highest of all failures', async () => {
    const cli = await CliHarness.make();
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
    const result = await report(cli, text, '--retries', '0');
    expect(result.code).toBe(7);
    expect(result.lists.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed', 'pushed']);
    expect(result.lists.map(({ line }) => line)).toEqual([1, 4, 6, 9]);
  });

  test('a missing file does not stop the other files', async () => {
    const cli = await CliHarness.make();
    await writeFile(
      join(cli.folder, 'a.yaml'),
      `list: ${at('team/app:f1')}\nmanifests: [${at('team/app:1.0-amd64')}]\n`,
    );
    const result = await cli.run(['apply', '-f', 'none.yaml', '-f', 'a.yaml']);
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('cannot read none.yaml') as unknown });
    expect(await served('team/app', 'f1')).toBeDefined();
  });

  test('reports an interrupted run, and a second run completes it', async () => {
    const cli = await CliHarness.make();
    const text = Array.from(
      { length: 60 },
      (_, n) => `---\nlist: HOST/stop/app:v${n}\nmanifests: [HOST/team/app:1.0-amd64]\n`,
    ).join('');
    const interrupt = new AbortController();
    const running = cli.run(['apply', '-f', '-', '--json'], {
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
    const second = await report(cli, text);
    expect(second).toMatchObject({ code: 0 });
    expect((second.counts['pushed'] ?? 0) + (second.counts['unchanged'] ?? 0)).toBe(60);
    expect(await report(cli, text)).toMatchObject({ writes: 0, counts: { unchanged: 60 } });
  });
});
