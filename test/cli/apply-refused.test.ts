import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CliHarness } from '../support/cli-harness.ts';
import { applyText, at, report, served, serveApplyImages } from '../support/apply-fixture.ts';

/** Invalid specs, whose errors have line and column, and the specs of manifest-tool. */
serveApplyImages();

describe('invalid specs', () => {
  const image = 'HOST/team/app:1.0-amd64';
  test.each<[string, string, string]>([
    ['an empty file', '', '1:1: contains no spec'],
    ['comments only', '# nothing\n---\n', '1:1: contains no spec'],
    ['an empty array', '[]', '1:1: contains no spec'],
    ['a text', 'hello', '1:1: must be of type object, not string'],
    ['a tab', `list: a\nmanifests:\n\t- ${image}\n`, '3:1: Tabs are not allowed as indentation'],
    ['an unknown member', `list: HOST/a:b\nmanifest: []\nmanifests: [${image}]\n`, '2:1: unknown member'],
    [
      'an unknown member inside',
      `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    platfrom: x\n`,
      '4:5: unknown member',
    ],
    ['a member twice', `list: HOST/a:b\nmanifests: []\nlist: HOST/c:d\n`, '3:1: duplicate key'],
    ['a member twice in JSON', '{"list": "a",\n "list": "b"}', '2:2: duplicate key'],
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
    ['an empty value for a text', `list:\nmanifests: [${image}]\n`, '1:1: must be of type string, not null'],
    ['no list', `manifests: [${image}]\n`, '1:1: "list" is missing'],
    ['a bad list', `list: HOST/UPPER:b\nmanifests: [${image}]\n`, '1:7: invalid reference'],
    ['a list by digest', `list: HOST/a@sha256:${'0'.repeat(64)}\nmanifests: [${image}]\n`, '1:7: invalid list name'],
    ['a bad image', `list: HOST/a:b\nmanifests:\n  - image: a/UPPER/case\n`, '3:12: invalid reference'],
    [
      'a bad platform',
      `list: HOST/a:b\nmanifests:\n  - {platform: linux, image: ${image}}\n`,
      '3:16: invalid platform',
    ],
    [
      'an unknown placeholder',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: ["HOST/a:{arch}-{version}"]\n`,
      '3:13: unknown placeholder {version}',
    ],
    [
      'an unmatched brace',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: ["HOST/a:{arch"]\n`,
      '3:13: unmatched brace',
    ],
    ['placeholders without platforms', `list: HOST/a:b\nmanifests: ["HOST/a:{arch}"]\n`, '2:13: has placeholders'],
    [
      'platforms without placeholders',
      `list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: [${image}]\n`,
      '2:12: is not used: no image has a placeholder',
    ],
    ['no minimum', `list: HOST/a:b\nignoreMissing: {}\nmanifests: [${image}]\n`, '2:16: "minimum" is missing'],
    ['a minimum of nothing', `list: HOST/a:b\nignoreMissing: {minimum: 0}\nmanifests: [${image}]\n`, '2:26: '],
    [
      'copy beside manifests',
      `list: HOST/a:b\ncopy: ${image}\nmanifests: []\n`,
      '3:12: cannot be combined with "copy"',
    ],
    ['neither', 'list: HOST/a:b\n', '1:1: must have "manifests" or "copy"'],
    [
      'a media type without digest',
      `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    mediaType: a/b\n    size: 1\n`,
      '3:12: must have a digest',
    ],
    ['a media type without size', `list: HOST/a:b\nmanifests:\n  - image: ${image}\n    mediaType: a/b\n`, '3:5: '],
    ['an alias without anchor', `list: HOST/a:b\nmanifests: *none\n`, '2:12: there is no anchor &none'],
    ['an unknown tag', `list: !!js/function HOST/a:b\nmanifests: []\n`, '1:7: Unresolved tag'],
    ['a merge of nothing', `<<: 1\nlist: HOST/a:b\n`, '1:5: "<<" must be a map'],
    [
      'infinity',
      `list: HOST/a:b\nignoreMissing: {minimum: .inf}\nmanifests: []\n`,
      '2:26: cannot be represented in JSON',
    ],
    ['an alias of itself', `list: &a [*a]\n`, 'is nested more than 50 levels deep'],
    ['deep brackets', '['.repeat(100_000), '1:51: is nested more than 50 levels deep'],
    ['deep dashes', '- '.repeat(100_000), 'is nested more than 50 levels deep'],
    ['many anchors', `a: ${'&a '.repeat(100_000)}`, 'is nested more than 50 levels deep'],
    ['an alias bomb', aliasBomb(), 'has more than 1000000 values after its aliases are expanded'],
  ])('%s', async (_name, text, message) => {
    const cli = await CliHarness.make();
    const result = await applyText(cli, text);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(/^(?:is|has) /.test(message) ? message : `mlist: stdin:${message}`);
  });

  test('reports all problems of a spec at once', async () => {
    const cli = await CliHarness.make();
    const result = await applyText(
      cli,
      `list: HOST/UPPER:b\ntags: [a b, "x y"]\nexpect: [nothing]\nmanifests: [Bad, "x:{arch}"]\n`,
    );
    expect([...result.stderr.matchAll(/^mlist: stdin:(\d+:\d+)/gm)].map(([, position]) => position)).toEqual(
      expect.arrayContaining(['1:7', '3:10', '4:13', '4:18']),
    );
  });

  test('refuses two images for one platform, unless the spec allows it as the hint says', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/double/app:a\nmanifests: [${image}, {image: HOST/team/app:1.0-arm64v8, platform: linux/amd64}]\n`;
    const refused = await applyText(cli, text);
    expect([refused.code, refused.stderr]).toEqual([
      3,
      expect.stringMatching(/two images for linux\/amd64[^]*hint: [^]*"allowDuplicates: true"/),
    ]);
    expect(refused.stderr).not.toContain('mlist remove');
    expect(await applyText(cli, `${text}allowDuplicates: true\n`)).toMatchObject({ code: 0 });
  });

  test('refuses a list that two specs define, naming both', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/twice/app:a\nmanifests: [${image}]\n---\nlist: HOST/twice/app:b\ntags: [a]\nmanifests: [${image}]\n---\nlist: HOST/twice/app:c\nmanifests: [${image}]\n`;
    const result = await report(cli, text);
    expect(result).toMatchObject({ code: 3, counts: { failed: 2, pushed: 1 } });
    expect(result.lists.flatMap(({ errors }) => errors.map((error) => error.message))).toEqual([
      expect.stringContaining('stdin:1:1: ' + at('twice/app:a is also written by stdin:4')),
      expect.stringContaining('stdin:4:1: ' + at('twice/app:a is also written by stdin:1')),
    ]);
  });

  test('refuses an image that another spec writes', async () => {
    const cli = await CliHarness.make();
    const text = `list: HOST/after/app:a\nmanifests: [${image}]\n---\nlist: HOST/after/app:b\nmanifests: [HOST/after/app:a]\n`;
    const result = await report(cli, text);
    expect(result).toMatchObject({ code: 3, counts: { failed: 1, pushed: 1 } });
    expect(result.lists[1]?.errors[0]?.message).toContain('is read here, but written by stdin:1');
  });

  test('refuses invalid UTF-8 and UTF-16', async () => {
    const cli = await CliHarness.make();
    expect((await applyText(cli, Buffer.from('list: a\n# \xff\n', 'latin1'))).stderr).toContain(
      'stdin:2:1: this line is not valid UTF-8',
    );
    expect((await applyText(cli, Buffer.from('\ufefflist: a', 'utf16le'))).stderr).toContain(
      'stdin:1:1: is encoded in UTF-16',
    );
  });

  test('refuses 100 MiB from a file and from stdin', async () => {
    const cli = await CliHarness.make();
    const much = Buffer.alloc(100 * 1024 * 1024, ' ');
    await writeFile(join(cli.folder, 'much.yaml'), much);
    expect(await cli.run(['apply', '-f', 'much.yaml'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('much.yaml:1:1: the file is too large: 104857600 bytes') as unknown,
    });
    expect((await applyText(cli, much)).stderr).toContain('stdin:1:1: has 104857600 bytes');
  });

  test.each<[string, readonly string[], string]>([
    ['no file', [], 'missing option: --file'],
    ['a duplicate file', ['-f', 'a', '-f', 'a'], '--file is given twice for the same file'],
    ['shard 0', ['-f', 'a', '--shard', '0/4'], '--shard takes I/N'],
    ['a shard beyond the count', ['-f', 'a', '--shard', '5/4'], '--shard takes I/N'],
    ['a count of 0', ['-f', 'a', '--shard', '1/0'], '--shard takes I/N'],
  ])('the command line: %s', async (_name, args, message) => {
    const cli = await CliHarness.make();
    expect(await cli.run(['apply', ...args])).toMatchObject({
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

describe('specs of manifest-tool', () => {
  test('are applied, with warnings about differences', async () => {
    const cli = await CliHarness.make();
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
    const result = await report(cli, text);
    expect(result).toMatchObject({ code: 0, counts: { pushed: 1 } });
    expect(result.lists[0]?.warnings).toEqual([
      'stdin:2:8: 1.10 is read as the string "1.10"',
      'stdin:8:19: manifest-tool ignores os.version and reads only osversion; mlist reads both',
      'stdin:8:19: 10.0 is read as the string "10.0"',
      expect.stringContaining('the list is an OCI index'),
    ]);
    expect((await served('tool/app', '1.10')).document.manifests.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux', 'os.version': '10.0' },
      { architecture: 'arm64', os: 'linux', variant: 'v8' },
    ]);
  });

  test('refuses what manifest-tool silently ignores', async () => {
    const cli = await CliHarness.make();
    const text = `image: HOST/tool/app\nmanifests:\n  - image: HOST/oci/app:1.0-amd64\n    platfrom: {os: linux}\n`;
    expect(await applyText(cli, text)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('stdin:4:5: unknown member') as unknown,
    });
  });
});
