import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { commands } from '../../src/cli/commands/commands.ts';
import { parseCommand } from '../../src/cli/args/parse-arguments.ts';
import { ActionRunner } from '../support/action-runner.ts';
import { at, images, registry, serveCreateImages } from '../support/create-fixture.ts';
import { getManifest, pushImage } from '../support/images.ts';
import { checkout } from '../support/mlist.ts';
import { isLong } from '../support/long.ts';
import { describeWith } from '../support/programs.ts';

/** The actions, the workflows and the CI examples: their form, and the commands of the examples against a registry. */
serveCreateImages();

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}
interface Job {
  readonly 'runs-on'?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: { readonly include: readonly Readonly<Record<string, string>>[] } };
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs?: Readonly<Record<string, Job>>;
  /** Of an action. */
  readonly runs?: { readonly using: string; readonly main?: string; readonly steps?: readonly Step[] };
  readonly inputs?: Readonly<Record<string, unknown>>;
}
interface GitlabJob {
  readonly before_script?: readonly string[];
  readonly script?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

const read = (path: string) => readFileSync(join(checkout, path), 'utf8');
const filesIn = (folder: string, pattern: RegExp) =>
  readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => pattern.test(path))
    .sort();
const yaml = (path: string) => parse(read(path)) as Workflow;
const { version } = JSON.parse(read('package.json')) as { readonly version: string };

const actions = filesIn('.github/actions', /\/action\.yml$/);
const workflows = filesIn('.github/workflows', /\.yml$/);
const examples = filesIn('docs/ci', /\/github-[^/]+\.yml$/);
const gitlab = filesIn('docs/ci', /\/gitlab[^/]*\.yml$/);
const pages = ['README.md', ...filesIn('docs', /\.md$/)];
/** The blocks of YAML in the documentation. */
const blocks = pages.flatMap((page) =>
  [...read(page).matchAll(/^```ya?ml\n(.*?)^```/gms)].map(([, text = '']): [string, unknown] => [page, parseAll(text)]),
);

function parseAll(text: string): unknown {
  return text.split(/^---$/m).map((document) => parse(document) as unknown);
}

/** The objects at any depth of a document. */
function objectsIn(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value) ? [] : [value as Readonly<Record<string, unknown>>];
  return [...own, ...Object.values(value).flatMap(objectsIn)];
}

const stepsOf = ({ jobs = {}, runs }: Workflow): readonly Step[] => [
  ...Object.values(jobs).flatMap(({ steps = [] }) => steps),
  ...(runs?.steps ?? []),
];

test('the actions and examples are found', () => {
  expect([actions.length, workflows.length, examples.length, gitlab.length]).toEqual([2, expect.any(Number), 4, 2]);
  expect(workflows).toContain('.github/workflows/ci.yml');
});

describe('inputs and other values reach scripts through the environment only', () => {
  const documents: readonly (readonly [string, unknown])[] = [
    ...[...actions, ...workflows, ...examples].map((path) => [path, yaml(path)] as const),
    ...blocks,
  ];
  test.each(documents)('%s', (_path, document) => {
    // `script` is the input of actions/github-script.
    const scripts = objectsIn(document).flatMap((object) => [object['run'], object['script']]);
    expect(scripts.filter((script) => typeof script === 'string' && script.includes('${{'))).toEqual([]);
  });

  test('this test finds an expression in a script', () => {
    const scripts = objectsIn(parse('jobs: { a: { steps: [{ run: "echo ${{ x }}" }] } }')).map(({ run }) => run);
    expect(scripts).toContain('echo ${{ x }}');
  });
});

describe('actions', () => {
  test.each(actions)('%s runs an existing script of Node, and reads all inputs that it declares', (path) => {
    const { runs, inputs = {} } = yaml(path);
    expect(runs?.using).toBe('node24');
    const folder = path.replace(/\/action\.yml$/, '');
    const code = filesIn(folder, /\.js$/).map(read).join('\n');
    expect(read(`${folder}/${runs?.main ?? ''}`)).not.toBe('');
    expect(Object.keys(inputs).filter((name) => !code.includes(`'${name}'`))).toEqual([]);
    const imported = [...code.matchAll(/from '([^']+)'/g)].map(([, name = '']) => name);
    expect(imported.filter((name) => !name.startsWith('node:') && !name.startsWith('.'))).toEqual([]);
  });
});

describe('workflows', () => {
  test.each([...workflows, ...examples])('%s uses pinned actions and sets permissions', (path) => {
    const workflow = yaml(path);
    const unpinned = stepsOf(workflow)
      .flatMap(({ uses }) => uses ?? [])
      .filter((uses) => !/@[0-9a-f]{40}$/.test(uses) && !uses.startsWith('./') && !uses.startsWith('OWNER/mlist/'));
    expect(unpinned).toEqual([]);
    expect(workflow.permissions).toBeDefined();
    // Every pin has the version as a comment.
    expect(read(path)).not.toMatch(/@[0-9a-f]{40}$/m);
  });

  test.each(examples)('%s grants permissions per job, and uses this version of the actions', (path) => {
    const { permissions, jobs = {} } = yaml(path);
    expect(permissions).toEqual({});
    for (const job of Object.values(jobs)) {
      expect(Object.entries(job.permissions ?? {})).not.toEqual([]);
      const runners = job.strategy?.matrix.include.map(({ runner }) => runner) ?? [job['runs-on']];
      expect(runners.filter((label) => !/^ubuntu-24\.04(?:-arm)?$/.test(label ?? ''))).toEqual([]);
      for (const { uses = '', with: given = {} } of job.steps ?? []) {
        const [, name = ''] = /^OWNER\/mlist\/(.*)@/.exec(uses) ?? [];
        if (name === '') continue;
        expect(uses).toBe(`OWNER/mlist/${name}@v${version}`);
        const { inputs = {} } = yaml(`${name}/action.yml`);
        expect(Object.keys(given).filter((input) => !(input in inputs))).toEqual([]);
      }
    }
  });
});

/** The scripts of an example, with the shell that runs them. */
function scriptsOf(path: string): readonly string[] {
  if (examples.includes(path) || workflows.includes(path)) return stepsOf(yaml(path)).flatMap(({ run }) => run ?? []);
  const jobs = Object.values(parse(read(path)) as Readonly<Record<string, GitlabJob>>);
  return jobs.flatMap(({ before_script = [], script = [] }) => [...before_script, ...script]);
}

describe('command lines of the examples', () => {
  const shown = [...examples, ...gitlab].flatMap((path) =>
    scriptsOf(path)
      .flatMap((script) => script.split('\n'))
      .flatMap((line) => [...(/(?:^|[|(]\s*)mlist (.*?)\)?$/.exec(line.trim())?.slice(1, 2) ?? [])])
      .map((line): [string, string] => [path, line]),
  );

  test('are found', () => expect(shown.length).toBeGreaterThanOrEqual(8));

  test.each(shown)('%s: mlist %s', (_path, line) => {
    const [name, ...words] = line.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
    const command = commands.find((one) => one.name === name);
    if (command === undefined) throw new Error(`no command ${name ?? ''}`);
    expect(() => parseCommand(command, words)).not.toThrow();
  });
});

(process.platform === 'win32' ? describe.skip : describe)('the scripts of the examples', () => {
  let runner: ActionRunner;
  beforeEach(async () => {
    runner = await ActionRunner.make();
    await runner.mlist();
  });

  /** Runs the scripts of a job in order, with these values for the expressions of their variables. */
  async function runJob(path: string, values: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>) {
    const [job] = Object.values(yaml(path).jobs ?? {});
    const outputs: string[] = [];
    for (const { run, env: variables = {} } of job?.steps ?? []) {
      if (run === undefined) continue;
      const own = Object.entries(variables).map(([name, text]) => [
        name,
        text.replace(/^\$\{\{ (.*) \}\}$/, (_all, expression: string) => {
          const value = values[expression];
          if (value === undefined) throw new Error(`no value for ${expression}`);
          return value;
        }),
      ]);
      const result = await runner.shell(run, { ...env, ...(Object.fromEntries(own) as Record<string, string>) });
      outputs.push(result.output);
      if (result.code !== 0) return { code: result.code, output: outputs.join('') };
    }
    return { code: 0, output: outputs.join('') };
  }

  const listed = async (repository: string, tag: string) => {
    const bytes = (await getManifest(registry.url, repository, tag))?.bytes.toString() ?? '{"manifests":[]}';
    return (JSON.parse(bytes) as { manifests: readonly { digest: string }[] }).manifests.map(({ digest }) => digest);
  };
  const both = () => [images.amd64.digest, images.arm64.digest];

  test('github-merge.yml writes a file for each digest, which the merge action reads', async () => {
    for (const name of ['amd64', 'arm64'] as const) {
      const values = { 'steps.build.outputs.digest': images[name].digest, 'matrix.name': name };
      expect(await runJob('docs/ci/github-merge.yml', values, {})).toMatchObject({ code: 0 });
    }
    const step = yaml('docs/ci/github-merge.yml').jobs?.['merge']?.steps?.at(-1);
    const inputs = {
      ...step?.with,
      'digests-dir': join(runner.folder, 'temp', 'digests'),
      'docker-metadata': JSON.stringify({ tags: [at('team/app:1.0'), at('team/app:edge')], labels: {} }),
    };
    expect(await runner.run('merge/merge.js', inputs)).toMatchObject({ code: 0 });
    expect(await listed('team/app', 'edge')).toEqual(both());
  });

  test('github-join.yml: the second job moves the tag', async () => {
    const env = { IMAGE: at('team/app'), GITHUB_RUN_ID: '7', GITHUB_RUN_ATTEMPT: '1' };
    for (const { digest } of [images.arm64, images.amd64]) {
      expect(await listed('team/app', 'v2.0')).toEqual([]);
      const values = { 'steps.build.outputs.digest': digest, 'github.ref_name': 'v2.0' };
      expect(await runJob('docs/ci/github-join.yml', values, env)).toMatchObject({ code: 0 });
    }
    expect(await listed('team/app', 'v2.0')).toEqual(both());
  });

  if (isLong)
    test('github-promote.yml copies a complete list, and refuses others', async () => {
      const create = async (tag: string, ...digests: readonly string[]) => {
        const inputs = { list: at(`team/app:${tag}`), images: digests.join('\n') };
        return (await runner.run('merge/merge.js', inputs)).outputs['digest'] ?? '';
      };
      const env = { STAGING: at('team/app'), RELEASE: at('team/release') };
      const promote = (digest: string, tag: string) =>
        runJob('docs/ci/github-promote.yml', { 'inputs.digest': digest, 'inputs.tag': tag }, env);
      const digest = await create('tested', ...both());
      expect(await promote(digest, '1.0')).toMatchObject({ code: 0 });
      expect((await getManifest(registry.url, 'team/release', '1.0'))?.digest).toBe(digest);
      expect((await promote(await create('part', images.amd64.digest), '1.1')).code).toBe(3);
      for (const wrong of ['$(touch pwned)', '"; touch pwned; "', '--help', '']) {
        expect((await promote(wrong, '1.1')).code).not.toBe(0);
        expect((await promote(digest, wrong || ' ')).code).not.toBe(0);
      }
      expect(await getManifest(registry.url, 'team/release', '1.1')).toBeUndefined();
      expect(readdirSync(join(runner.folder, 'workspace'))).toEqual([]);
    });

  test('github-nightly.yml applies lists.yaml twice, and the second run writes nothing', async () => {
    for (const name of ['amd64', 'arm64'] as const) {
      await pushImage(registry.url, 'team/app', `nightly-${name}`, images[name]);
    }
    const spec = read('docs/ci/lists.yaml').replaceAll('ghcr.io', registry.host);
    await writeFile(join(runner.folder, 'workspace', 'lists.yaml'), spec);
    expect(await runJob('docs/ci/github-nightly.yml', {}, {})).toMatchObject({ code: 0 });
    expect(await listed('team/app', 'nightly')).toEqual(both());
    const again = await runJob('docs/ci/github-nightly.yml', {}, {});
    expect(again).toMatchObject({ code: 0, output: expect.stringContaining('unchanged') as unknown });
  });

  test('gitlab.yml creates a list from the metadata of the builds', async () => {
    const { '.mlist-merge': job } = parse(read('docs/ci/gitlab.yml')) as Readonly<Record<string, GitlabJob>>;
    await mkdir(join(runner.folder, 'workspace', 'metadata'));
    for (const name of ['amd64', 'arm64'] as const) {
      const { digest, mediaType, bytes } = images[name];
      const metadata = {
        'containerimage.digest': digest,
        'containerimage.descriptor': { mediaType, digest, size: bytes.length },
        'image.name': at('team/app'),
      };
      await writeFile(join(runner.folder, 'workspace', 'metadata', `${name}.json`), JSON.stringify(metadata));
    }
    const env = {
      ...job?.variables,
      IMAGE_LIST: at('team/app:gitlab'),
      IMAGE_TAGS: ':one :two',
      IMAGE_EXPECT: 'linux/amd64,linux/arm64',
    };
    const [script = ''] = job?.script ?? [];
    // The job runs with the shell of Alpine, which has no options beyond POSIX.
    expect(await runner.shell(script, env, ['sh', '-c'])).toMatchObject({ code: 0 });
    for (const tag of ['gitlab', 'one', 'two']) expect(await listed('team/app', tag)).toEqual(both());
    const digest = (await getManifest(registry.url, 'team/app', 'gitlab'))?.digest ?? '';
    expect(readFileSync(join(runner.folder, 'workspace', 'mlist.env'), 'utf8')).toBe(`IMAGE_DIGEST=${digest}\n`);
    const missing = await runner.shell(script, { ...env, IMAGE_EXPECT: 'linux/s390x' }, ['sh', '-c']);
    expect(missing.code).not.toBe(0);
  });
});

describeWith('shellcheck', 'shell scripts have no findings', () => {
  test.each([...workflows, ...examples, ...gitlab])('%s', (path) => {
    const dialect = gitlab.includes(path) ? 'sh' : 'bash';
    for (const script of scriptsOf(path)) {
      const { status, stdout } = spawnSync('shellcheck', [`--shell=${dialect}`, '-'], {
        input: script,
        encoding: 'utf8',
      });
      expect([status, stdout]).toEqual([0, '']);
    }
  });
});

describeWith('actionlint', 'workflows have no findings', () => {
  test.each([...workflows, ...examples])('%s', (path) => {
    const { status, stdout, stderr } = spawnSync('actionlint', ['-no-color', path], {
      cwd: checkout,
      encoding: 'utf8',
    });
    expect([status, stdout + stderr]).toEqual([0, '']);
  });
});
