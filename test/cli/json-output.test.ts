import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withPlatformForms } from '../../src/cli/output/platform-forms.ts';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { readSchemas } from '../support/schemas.ts';

/** Both forms of platforms in the `--json` output, and the examples of docs/json.md. */

test.each<[string, Platform | undefined]>([
  ['linux/arm64/v8', { os: 'linux', architecture: 'arm64', variant: 'v8' }],
  ['linux/x86_64', { os: 'linux', architecture: 'x86_64' }],
  ['linux/amd64/v1', { os: 'linux', architecture: 'amd64', variant: 'v1' }],
  ['windows(10.0.20348.1)/amd64', { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' }],
  ['linux(+a+b)/amd64', { os: 'linux', architecture: 'amd64', 'os.features': ['a', 'b'] }],
  ['linux(a%2Bb%25 %28c%29)/amd64', { os: 'linux', architecture: 'amd64', 'os.version': 'a+b% (c)' }],
  ['unknown', undefined],
])('the platform %s has both forms', (platform, platformObject) => {
  expect(withPlatformForms({ platform })).toEqual({ platform, ...(platformObject && { platformObject }) });
  if (platformObject === undefined) return;
  const named = withPlatformForms({ a: 1, platform: platformObject, b: 2 });
  expect(Object.entries(named)).toEqual([
    ['a', 1],
    ['platform', platformObject],
    ['platformName', platform],
    ['b', 2],
  ]);
});

test('the schemas of results and events have both forms of each platform', () => {
  const lacking = (value: unknown): readonly string[] => {
    if (typeof value !== 'object' || value === null) return [];
    const { platform, platformName, platformObject } = value as Readonly<Record<string, object | undefined>>;
    const isProperty = platform !== undefined && !('properties' in platform);
    const own = isProperty && (platformName ?? platformObject) === undefined ? [JSON.stringify(value)] : [];
    return [...own, ...Object.values(value).flatMap(lacking)];
  };
  expect(readSchemas('output').flatMap(lacking)).toEqual([]);
});

const page = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```sh\n(.*?)\n```/gms)].flatMap(([, block = '']) => block.split('\n'));

test('docs/json.md has an example for the document of every schema', () => {
  const sections = page.split(/^##+ /m);
  const parts = ['change.schema.json', 'entry.schema.json'];
  const lacking = readSchemas('output').flatMap((schema) => {
    const name = (schema as { readonly $id: string }).$id.replace('output/', '');
    if (parts.includes(name)) return page.includes(`(../schemas/output/${name})`) ? [] : [name];
    const section = sections.find((one) => one.includes(`(../schemas/output/${name})`));
    return section?.includes('jq ') === true ? [] : [name];
  });
  expect(lacking).toEqual([]);
});

const hasJq = spawnSync('jq', ['--version']).status === 0;

(hasJq ? describe : describe.skip)('the examples of docs/json.md', () => {
  let registry: RunningRegistry;
  let cli: CliHarness;
  beforeAll(async () => {
    registry = await startRegistry();
    cli = await CliHarness.make({ stdin: 'password' });
    for (const architecture of ['amd64', 'arm64']) {
      const image = makeImage({ salt: architecture, kind: 'oci', platform: { os: 'linux', architecture } });
      await pushImage(registry.url, 'team/app', `1.0-${architecture}`, image);
    }
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
    await pushBuild(registry.url, 'team/app', 'built', platforms);
    const lists = [
      'list: registry.example/team/app:applied\nmanifests: [registry.example/team/app:1.0-amd64]\n',
      'list: registry.example/team/app:odd\nmanifests:\n  - image: registry.example/team/app:1.0-amd64\n    platform: linux/amd46\n',
    ];
    await writeFile(join(cli.folder, 'lists.yaml'), here(lists.join('---\n')));
  });
  afterAll(() => registry.close());

  const here = (text: string): string => text.replaceAll('registry.example', registry.host);
  /** Runs the part of jq in a shell, as a user does. */
  const jq = (command: string, input: string): string => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: cli.folder, input, encoding: 'utf8' });
    expect([command, status, stderr]).toEqual([command, 0, '']);
    return stdout.trim();
  };
  const run = async (command: string): Promise<CliResult> => {
    const [, ...args] = here(command).match(/\S+/g) ?? [];
    return cli.run(args);
  };

  // The commands build on one another.
  test.each(examples)('%s', async (line) => {
    if (line.startsWith('jq ')) return expect(jq(line, '')).not.toMatch(/^(?:null)?$/);
    const [, command = '', file, filter] =
      /^(?:printenv \w+ \| )?(mlist .*? --json)(?: 2>(\S+)| \| (jq .*))$/.exec(line) ?? [];
    const { code, stdout, stderr } = await run(command);
    if (file !== undefined) return writeFile(join(cli.folder, file), stderr);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('"type":"error"')]);
    const result = jq(filter ?? 'false', stdout);
    if (!filter?.includes('// empty')) expect(result).not.toMatch(/^(?:null|undefined)?$/);
  });
});
