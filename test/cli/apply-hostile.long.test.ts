import { expect, test } from '@jest/globals';
import { report, served, serveApplyImages } from '../support/apply-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { isLong, roundsOf } from '../support/long.ts';

/** Spec files beyond a limit: the error has a line and a column, is short, and the rest of the file is not read. */
const MANY = roundsOf(300, 10_000);
serveApplyImages();

const list = (at: number) => `list: localhost/a:${at}\nmanifests: [localhost/b:1]\n`;

const tooMany: readonly [string, string, RegExp][] = [
  [
    'more lists than anybody writes',
    Array.from({ length: 25_000 }, (_, at) => `---\nlist: localhost/a:${at}\n`).join(''),
    /^mlist: stdin:40002:1: exceeds the limit of 20000 lists per file: the rest of the file is not read\./m,
  ],
  [
    'more lists in an array',
    `[${'{"list": 1},\n'.repeat(25_000)}{}]`,
    /^mlist: stdin:20001:1: exceeds the limit of 20000 lists/m,
  ],
];

test.each<[string, string, RegExp]>([
  ...(isLong ? tooMany : []),
  [
    'one document with too much in it',
    `list: localhost/a:1\nmanifests: [${'a, '.repeat(300_000)}]\n`,
    /^mlist: stdin:2:\d+: has more than 500000 tokens: split it into several documents/m,
  ],
  ['a long name', `${list(1)}? ${'k'.repeat(1_000_000)}\n: 1\n`, /^mlist: stdin:3:3: has a key of 1000000 characters/m],
  ['a long text', `list: localhost/${'a'.repeat(1_000_000)}\n`, /^mlist: stdin:1:7: .*\b1024\b/m],
  ['an empty text', 'list: ""\nmanifests: [localhost/b:1]\n', /^mlist: stdin:1:1: .* \(at \/list\)$/m],
  [
    'no images',
    'list: localhost/a:1\nplatforms: []\nmanifests: [localhost/b:1]\n',
    /^mlist: stdin:2:12: .* \(at \/platforms\)$/m,
  ],
])('%s', async (_, text, message) => {
  const cli = await CliHarness.make();
  const { code, stderr } = await cli.run(['apply', '-f', '-', '--dry-run'], { stdin: text });
  expect(code).toBe(3);
  expect(stderr).toMatch(message);
  expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(300);
});

test('reports each of thousands of lists that fail', async () => {
  const cli = await CliHarness.make();
  const stdin = Array.from({ length: MANY / 2 }, () => '---\nlist: localhost/a:1\n').join('');
  const { code, stderr } = await cli.run(['apply', '-f', '-'], { stdin });
  expect(code).toBe(3);
  expect(stderr.match(/must have "manifests" or "copy"/g)).toHaveLength(MANY / 2);
});

test(`fails for a spec of ${MANY} entries with wrong sizes`, async () => {
  const cli = await CliHarness.make();
  const digest = (await served('team/app', '1.0-amd64')).digest;
  const entry = (n: number) =>
    `  - {image: "HOST/team/app@${digest}", mediaType: application/vnd.oci.image.manifest.v1+json, size: ${n}, platform: {os: linux, architecture: a${n}}}\n`;
  const text = `list: HOST/team/app:many\nmanifests:\n${Array.from({ length: MANY }, (_, n) => entry(n)).join('')}`;
  const result = await report(cli, text);
  expect(result).toMatchObject({ code: 3, counts: { failed: 1 } });
});
