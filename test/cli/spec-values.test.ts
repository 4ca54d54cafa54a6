import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';
import { applyText, at, registry, served, serveApplyImages } from '../support/apply-fixture.ts';
import { expectFits } from '../support/schemas.ts';

/** Values for `${NAME}` in specs, and `validate -f`. */
serveApplyImages();

let cli: CliHarness;
beforeEach(async () => {
  cli = await CliHarness.make();
});

const spec = 'list: HOST/values/app:${TAG}\nannotations: {note: "${NOTE}"}\nmanifests: [HOST/team/app:1.0-amd64]\n';

const noteOf = async (tag: string): Promise<unknown> => (await served('values/app', tag)).document.annotations;

const validateText = (text: string, args: readonly string[] = [], env: Record<string, string> = {}) =>
  cli.run(['validate', '-f', '-', ...args], { stdin: text.replaceAll('HOST', registry.host), env });

describe('a value', () => {
  test.each<[string, string]>([
    ['a mapping', 'a: b'],
    ['a tag', '!!int 5'],
    ['an anchor', '*anchor'],
    ['quotes', `"'"`],
    ['line breaks', 'a\n- b\n---\nlist: c'],
    ['a number', '1.10'],
    ['null', 'null'],
    ['nothing', ''],
    ['a placeholder', '${TAG}'],
    ['the pattern of a replacement', '$& $1 $$'],
    ['braces', '{arch} [x]'],
    ['a control character', '\u0001\u001b[31m'],
  ])('with %s stays text', async (name, note) => {
    const tag = name.replaceAll(' ', '-');
    const result = await applyText(cli, spec, '--set', `TAG=${tag}`, '--set', `NOTE=${note}`);
    expect(result).toMatchObject({ code: 0 });
    expect(await noteOf(tag)).toEqual({ note });
  });

  test('is also inserted into JSON, into quoted texts, and into texts of an alias', async () => {
    const json = JSON.stringify({
      list: `${at('values/app')}:$\{TAG}`,
      annotations: { note: 'a ${NOTE}-${NOTE} $$ $${TAG} $NOTE' },
      manifests: [at('team/app:1.0-amd64')],
    });
    expect((await applyText(cli, json, '--set', 'TAG=json', '--set', 'NOTE=b"c')).code).toBe(0);
    expect(await noteOf('json')).toEqual({ note: 'a b"c-b"c $ ${TAG} $NOTE' });
    const yaml = `list: HOST/values/app:alias\nannotations: {a: &a "\\u0024{NOTE}", b: *a, c: '\${NOTE}'}\nmanifests: [HOST/team/app:1.0-amd64]`;
    expect((await applyText(cli, yaml, '--set', 'NOTE=d')).code).toBe(0);
    expect(await noteOf('alias')).toEqual({ a: 'd', b: 'd', c: 'd' });
  });

  test('of an environment variable is inserted, also with validate', async () => {
    const env = { NOTE: 'from the environment', UNUSED: 'x' };
    const stdin = spec.replaceAll('HOST', registry.host);
    const args = ['-f', '-', '--set', 'TAG=env', '--env', 'NOTE'];
    expect(await cli.run(['validate', ...args], { env, stdin })).toMatchObject({ code: 0 });
    expect(await cli.run(['apply', ...args], { env, stdin })).toMatchObject({ code: 0 });
    expect(await noteOf('env')).toEqual({ note: env.NOTE });
  });

  test('is not needed without the options: ${NAME} stays text', async () => {
    const text = spec.replace('${TAG}', 'plain');
    expect((await applyText(cli, text)).code).toBe(0);
    expect(await noteOf('plain')).toEqual({ note: '${NOTE}' });
  });

  test('for a spec of manifest-tool', async () => {
    const tool =
      'image: HOST/values/app:${TAG}\nmanifests:\n  - image: HOST/team/app:1.0-${ARCH}\n    platform: {os: linux, architecture: "${ARCH}"}\n';
    expect((await applyText(cli, tool, '--set', 'TAG=tool', '--set', 'ARCH=amd64')).code).toBe(0);
    expect((await served('values/app', 'tool')).document.manifests).toMatchObject([
      { platform: { os: 'linux', architecture: 'amd64' } },
    ]);
  });
});

describe('is refused, and nothing is written', () => {
  const image = 'HOST/team/app:1.0-amd64';
  test.each<[string, string, string]>([
    [
      'a name without a value',
      'list: HOST/a:${TGA}\nmanifests: []\n',
      'stdin:1:${COLUMN}: there is no value for ${TGA}: did you mean ${TAG}?',
    ],
    [
      'a name in a text of several lines',
      `list: HOST/a:b\nannotations:\n  note: |\n    one \${TAG}\n    two \${NONE}\nmanifests: [${image}]\n`,
      'stdin:5:9: there is no value for ${NONE}',
    ],
    [
      'a name after an escaped dollar',
      `list: HOST/a:b\nannotations: {a: "$\${TAG} \${NONE}"}\nmanifests: [${image}]\n`,
      'stdin:2:27: there is no value for ${NONE}',
    ],
    ['a default', 'list: HOST/a:b\nannotations:\n  a: "${TAG:-x}"\n', 'stdin:3:7: invalid placeholder "${TAG:-x}"'],
    ['an open brace', 'list: HOST/a:b\nannotations:\n  a: "x${TAG"\n', 'stdin:3:8: invalid placeholder "${TAG"'],
    ['an empty name', 'list: HOST/a:b\nannotations:\n  a: "${}"\n', 'stdin:3:7: invalid placeholder "${}"'],
    [
      'a name of a member',
      `list: HOST/a:b\nannotations: {"\${TAG}": x}\nmanifests: [${image}]\n`,
      'stdin:2:15: placeholders are replaced only in strings, not in member names',
    ],
    [
      'an unquoted text in brackets',
      'list: HOST/a:b\ntags: [${TAG}]\nmanifests: []\n',
      'stdin:2:8: a string with a placeholder must be quoted inside [] and {}',
    ],
    [
      'a number',
      `list: HOST/a:b\nignoreMissing: {minimum: "\${TAG}"}\nmanifests: [${image}]\n`,
      'stdin:2:26: must be of type integer, not string: the value of ${TAG} is always a string',
    ],
  ])('%s', async (_name, text, message) => {
    const column = String(`list: ${registry.host}/a:`.length + 1);
    const requests = registry.requests.length;
    const expected = message.replace('${COLUMN}', column);
    const applied = await applyText(cli, text, '--set', 'TAG=x');
    expect([applied.code, applied.stderr]).toEqual([3, expect.stringContaining(expected)]);
    const validated = await validateText(text, ['--set', 'TAG=x', '--json']);
    const { problems } = JSON.parse(validated.stdout) as {
      problems: { line: number; column: number; message: string }[];
    };
    const [, line, from, rest = ''] = /^stdin:(\d+):(\d+): (.*)$/.exec(expected) ?? [];
    expect([validated.code, problems]).toEqual([
      3,
      expect.arrayContaining([
        expect.objectContaining({
          line: Number(line),
          column: Number(from),
          message: expect.stringContaining(rest) as unknown,
        }),
      ]),
    ]);
    expectFits('validate', validated.stdout);
    expect(registry.requests.length).toBe(requests);
  });

  test('a value with a brace in an image, where it would be a placeholder for platforms', async () => {
    const text = 'list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests:\n  - image: "HOST/team/app:1.0-${X}"\n';
    const { code, stderr } = await applyText(cli, text, '--set', 'X={arch}');
    expect([code, stderr]).toEqual([3, expect.stringContaining('stdin:4:12: the value of ${X} contains a brace')]);
  });

  test.each<[string, readonly string[], string]>([
    [
      'a value that no spec contains',
      ['--set', 'TAG=x', '--set', 'NOTE=n', '--set', 'TGA=x'],
      'no spec contains ${TGA}',
    ],
    ['a variable that is not set', ['--env', 'NOTE'], '--env NOTE: the environment variable is not set'],
    ['a value without name', ['--set', '=x'], 'invalid name "" in --set'],
    ['a name with a space', ['--set', 'A B=x'], 'invalid name "A B" in --set'],
    ['a name without value', ['--set', 'TAG'], '--set takes NAME=VALUE, not "TAG"'],
    ['a name twice', ['--set', 'TAG=1', '--set', 'TAG=2'], '--set TAG: a value is already given for this name'],
    ['an invalid variable', ['--env', 'A-B'], 'invalid name "A-B" in --env'],
  ])('%s', async (_name, args, message) => {
    const requests = registry.requests.length;
    for (const result of [await applyText(cli, spec, ...args), await validateText(spec, args)])
      expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(registry.requests.length).toBe(requests);
  });

  test('values that are together too large', async () => {
    const text = `list: HOST/a:b\nannotations: {a: "${'${X}'.repeat(2_000)}"}\nmanifests: []\n`;
    const { code, stderr } = await applyText(cli, text, '--set', `X=${'x'.repeat(10_000)}`);
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining(
        'stdin:2:18: the document exceeds the limit of 16777216 characters after its placeholders are replaced',
      ),
    ]);
  });
});

describe('messages do not contain the value of a variable', () => {
  const secret = 'hunter2 is my "secret" token';
  test.each<[string, string]>([
    ['a list', 'list: "HOST/a:${SECRET}"\nmanifests: []\n'],
    ['a whole list', 'list: "${SECRET}"\nmanifests: []\n'],
    ['a tag', 'list: HOST/a:b\ntags: ["${SECRET}"]\nmanifests: []\n'],
    ['an image', 'list: HOST/a:b\nmanifests: ["HOST/${SECRET}"]\n'],
    ['a part of an image', 'list: HOST/a:b\nmanifests: ["HOST/A/${SECRET}@sha256:1"]\n'],
    ['a platform', 'list: HOST/a:b\nmanifests: [{image: HOST/a, platform: "linux/${SECRET}"}]\n'],
    ['an artifact type', 'list: HOST/a:b\nartifactType: "${SECRET}"\nmanifests: []\n'],
    ['a format', 'list: HOST/a:b\nformat: "${SECRET}"\nmanifests: []\n'],
    [
      'a URL',
      `list: HOST/a:b\nmanifests: [{image: "HOST/a@sha256:${'0'.repeat(64)}", mediaType: a/b, size: 1, urls: ["\${SECRET}"]}]\n`,
    ],
    ['a template', 'list: HOST/a:b\nplatforms: [linux/amd64]\nmanifests: ["HOST/{arch}/${SECRET}"]\n'],
  ])('%s', async (_name, text) => {
    const stdin = text.replaceAll('HOST', registry.host);
    for (const args of [
      ['apply', '-f', '-'],
      ['apply', '-f', '-', '--json'],
      ['validate', '-f', '-'],
      ['validate', '-f', '-', '--json', '--debug'],
    ]) {
      const result = await cli.run([...args, '--env', 'SECRET'], { stdin, env: { SECRET: secret } });
      const { code, stdout, stderr } = result;
      expect([code, stdout + stderr]).toEqual([3, expect.not.stringMatching(/hunter2|secret\W* token/)]);
      expect(stdout + stderr).toMatch(/\$\{SECRET\}|must be one of/);
    }
  });

  test.each(['PassW0r', 'PassW0rd1', 'Pass'])('nor in lower case, as a suggestion: %s', async (value) => {
    const stdin = 'list: "ghcr.io/${SECRET}"\nmanifests: []\n';
    const { code, stdout } = await cli.run(['validate', '-f', '-', '--env', 'SECRET'], {
      stdin,
      env: { SECRET: value },
    });
    expect([code, stdout]).toEqual([3, expect.stringContaining('is invalid with the value of ${SECRET}')]);
    expect(stdout).not.toContain(value.toLowerCase());
  });

  test('but those of --set, which the command line shows', async () => {
    const { stdout } = await validateText('list: "a:${X}"\nmanifests: []\n', ['--set', 'X=two words']);
    expect(stdout).toContain('"a:two words"');
  });
});

describe('validate -f', () => {
  const check = (...args: readonly string[]): Promise<CliResult> => cli.run(['validate', ...args]);
  beforeEach(async () => {
    const lists = [
      'list: team/app:1.0\nmanifests: [team/app:amd64]\n',
      'list: team/app:2.0\nmanifests:\n  - image: team/app:x\n    platform: linux/amd46\n',
      'list: team/app:3.0\nmanifests:\n  - imagee: team/app:x\n',
      'list: team/app:1.0\nplatforms: [linux/arm64, windows(ten)/amd64]\nmanifests: ["team/app:{arch}"]\n',
    ];
    await writeFile(join(cli.folder, 'lists.yaml'), lists.join('---\n'));
    await writeFile(join(cli.folder, 'valid.yaml'), lists[1] ?? '');
    await writeFile(join(cli.folder, 'spec.json'), '[{"list": "a:b", "manifests": ["a:c"]}]');
  });

  test('reports the problems of all files', async () => {
    const { code, stdout, stderr } = await check('-f', 'lists.yaml', '-f', 'spec.json');
    expect(code).toBe(3);
    expect(stdout.split('\n')).toEqual([
      'lists.yaml:1:1: error E-SPEC /: docker.io/team/app:1.0 is also written by lists.yaml:13',
      'lists.yaml:7:15: warning W-PLAT-UNKNOWN /manifests/0/platform: unknown platform linux/amd46: did you mean linux/amd64?',
      'lists.yaml:11:5: error E-SPEC /manifests/0: "image" is missing',
      'lists.yaml:11:5: error E-SPEC /manifests/0/imagee: unknown member: did you mean "image"?',
      'lists.yaml:13:1: error E-SPEC /: docker.io/team/app:1.0 is also written by lists.yaml:1',
      '',
    ]);
    expect(stderr).toBe('refused 3 of 5 lists\n');
  });

  test('prints a document', async () => {
    const { code, stdout } = await check('-f', 'valid.yaml', '--json');
    expectFits('validate', stdout);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      {
        from: 'spec',
        valid: true,
        problems: [expect.objectContaining({ severity: 'warning', path: 'valid.yaml', line: 4, column: 15 })],
        lists: [{ ref: 'docker.io/team/app:2.0', path: 'valid.yaml', line: 1, column: 1, valid: true }],
      },
    ]);
    expect(await check('-f', 'valid.yaml', '--strict')).toMatchObject({ code: 3 });
  });

  test('reports a file that cannot be read beside the others', async () => {
    const { code, stdout, stderr } = await check('-f', 'none.yaml', '-f', 'valid.yaml', '--json');
    expectFits('validate', stdout);
    expect([code, JSON.parse(stdout)]).toMatchObject([
      4,
      { valid: false, lists: [{ valid: true }], errors: [{ path: 'none.yaml' }] },
    ]);
    expect(stderr).toContain('ERR_MLIST_NOT_FOUND');
  });

  test.each<[string, readonly string[], string]>([
    [
      'another document',
      ['-f', 'valid.yaml', './x.json'],
      '--file cannot be combined with another argument: "./x.json"',
    ],
    ['--deep', ['-f', 'valid.yaml', '--deep'], '--file and --deep cannot be used together'],
    ['--expect', ['-f', 'valid.yaml', '--expect', 'linux/amd64'], '--file and --expect cannot be used together'],
    [
      '--require-attestation',
      ['-f', 'valid.yaml', '--require-attestation', 'sbom'],
      '--file and --require-attestation cannot be used together',
    ],
    ['--list', ['-f', 'valid.yaml', '-l', 'a'], '--file and --list cannot be used together'],
    ['the same file twice', ['-f', 'valid.yaml', '-f', 'valid.yaml'], '--file is given twice for the same file'],
    ['a value without a file', ['--set', 'A=b', './x.json'], '--set needs --file'],
    ['a variable without a file', ['--env', 'A', './x.json'], '--env needs --file'],
  ])('refuses %s', async (_name, args, message) => {
    const { code, stderr } = await check(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('is named if the document of validate is a spec', async () => {
    for (const name of ['lists.yaml', 'spec.json']) {
      const { code, stdout } = await check(`./${name}`);
      const command = `"mlist validate -f ${join(cli.folder, name)}"`;
      expect([code, stdout]).toEqual([
        3,
        `error E-SPEC /: is a spec for "mlist apply", not a list: check it with ${command}\n`,
      ]);
    }
    const { code, stdout } = await cli.run(['validate', '-', '--json'], { stdin: 'list: a\nmanifests: []\n' });
    expectFits('validate', stdout);
    expect([code, stdout]).toEqual([3, expect.stringContaining('mlist validate -f -')]);
    await writeFile(join(cli.folder, 'other.txt'), 'text');
    expect((await check('./other.txt')).stdout).not.toContain('spec');
  });
});
