import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { emptyDraft } from '../../src/draft/draft.ts';
import { Workspace } from '../../src/draft/workspace/workspace.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { programCommand, runMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

let registry: RunningRegistry;
let cli: CliHarness;
let list: string;
let digest: string;
/** The paths of the requests to the registry. */
const requests: string[] = [];
beforeAll(async () => {
  registry = await startRegistry({ onRequest: ({ path }) => requests.push(path) });
  const made = makeImage({ salt: 'completion' });
  digest = made.digest;
  await pushImage(registry.url, 'team/app', 'amd64', made);
  cli = await CliHarness.make();
  list = `${registry.host}/team/app:list`;
  await cli.must('create', list, `${registry.host}/team/app:amd64`);
  await cli.must('create', 'team/app:1.0', `${registry.host}/team/app:amd64`);
  await mkdir(join(cli.workspace, 'drafts'), { recursive: true });
  await writeFile(join(cli.workspace, 'drafts', 'damaged.json'), '{');
});
afterAll(() => registry.close());

/** A registry that requires a login, with one tag, and a folder for DOCKER_CONFIG with the login. */
async function withLogin() {
  const folder = await temporaryFolder();
  const login = 'me:the password';
  const authorization = `Basic ${Buffer.from(login).toString('base64')}`;
  const protectedRegistry = cleanup(
    await startRegistry({
      intercept: ({ headers }, response) => {
        if (headers.authorization === authorization) return false;
        return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end() === response;
      },
    }),
  );
  const auths = { [protectedRegistry.host]: { auth: authorization.slice('Basic '.length) } };
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }));
  const copied = await cli.run(['copy', `${registry.host}/team/app:amd64`, `${protectedRegistry.host}/team/app:v1`], {
    env: { DOCKER_CONFIG: folder },
  });
  expect(copied.code).toBe(0);
  return { login: protectedRegistry, folder };
}

const image = () => `${registry.host}/team/app:amd64`;
const expected = (before: string, ...names: readonly string[]) => names.map((name) => `${before}linux/${name}`);
const drafts = () => ['team/app:1.0', list].sort();

describe('completion', () => {
  test.each<[readonly string[], () => readonly string[]]>([
    [['an'], () => ['annotate']],
    [['push', '--exp'], () => ['--expect']],
    [['create', '--format', ''], () => ['auto', 'oci', 'docker']],
    [['completion', ''], () => ['bash', 'zsh', 'fish']],
    [['help', 'use'], () => ['use']],
    [['docker-cli'], () => []],
    [['push', ''], drafts],
    [['push', 'team/'], () => ['team/app:1.0']],
    [['push', 'docker.io/te'], () => ['docker.io/team/app:1.0']],
    [['push', '--tag', ''], () => []],
    [['push', '--dry-run', 'team/app:'], () => ['team/app:1.0']],
    [['push', 'team/app:1.0', ''], () => []],
    [['annotate', '-l', ''], drafts],
    [['annotate', '--list', 'team'], () => ['team/app:1.0']],
    [['rm', 'team/app:1.0', ''], drafts],
    [['show', ''], drafts],
    [['help', 'opt'], () => ['options']],
    [['annotate', '--os', 'wi'], () => ['windows']],
    [['annotate', '--arch', 'arm'], () => ['arm', 'arm64']],
    [['create', '--platform', 'linux/arm'], () => ['linux/arm/v6', 'linux/arm/v7', 'linux/arm64']],
    [['push', '--expect', 'linux/amd64,linux/a'], () => expected('linux/amd64,', 'arm/v6', 'arm/v7', 'arm64')],
    [['push', '--expect=linux/amd64', '--expect', 'ke'], () => ['kept']],
    [['create', 'x.io/l:1', 'x.io/a:1=linux/mips'], () => ['x.io/a:1=linux/mips64le']],
    [['remove', 'team/app:1.0', ''], () => [image()]],
    [['remove', '-l', 'team/app:1.0', 'sha256:'], () => [digest]],
    [['annotate', 'team/app:1.0', '127.0'], () => [image()]],
    [['inspect', 'team/app:1.0', '127.0'], () => [image()]],
    [['remove', '127.0.0.1/of/the:current', '127.0'], () => [image()]],
    [['inspect', 'none/such:1.0', '127.0'], () => []],
    [['tags', ''], () => []],
    [['--workspace', 'elsewhere', 'push', ''], () => []],
  ])('%j', async (words, expected) => {
    const { stdout, code } = await cli.run(['--complete', ...words]);
    expect([code, stdout.split('\n').slice(0, -1).sort()]).toEqual([0, [...expected()].sort()]);
  });

  test('many drafts are named without reading them, unless their file names are cut off', async () => {
    const workspace = new Workspace(join(cli.folder, 'many'));
    await workspace.create();
    const long = parseReference(`x.io/${'long/'.repeat(40)}app:1`);
    const names = Array.from({ length: 101 }, (_, at) => `x.io/app:${at}`);
    for (const list of [...names.map(parseReference), long]) await writeFile(workspace.pathOf(list), '{');
    await workspace.remove(long);
    await workspace.update(long, () => emptyDraft(long));
    const complete = async (typing: string) => {
      const { stdout } = await cli.run(['--complete', '--workspace', workspace.folder, 'show', typing]);
      return stdout.split('\n').slice(0, -1).sort();
    };
    expect(await complete('x.io/')).toEqual([...names, formatReference(long)].sort());
    expect(await complete('x.io/long')).toEqual([formatReference(long)]);
    // The few that match are read, and the damaged ones are skipped.
    expect(await complete('x.io/app:1')).toEqual([]);
  });

  describe('tags', () => {
    const tags = ['amd64', 'arm64', 'v1.0'].map((tag) => `/tags/app:${tag}`);
    beforeAll(async () => {
      for (const tag of ['amd64', 'arm64', 'v1.0'])
        await pushImage(registry.url, 'tags/app', tag, makeImage({ salt: 'completion' }));
    });
    const complete = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      requests.length = 0;
      const { code, stdout, stderr } = await cli.run(['--complete', ...words], { env });
      expect([code, stderr]).toEqual([0, '']);
      return stdout.split('\n').slice(0, -1);
    };

    test.each<[readonly string[], string, readonly string[]]>([
      [['show'], '/tags/app:', tags],
      [['show'], '/tags/app:a', tags.slice(0, 2)],
      [['create', 'x.io/l:1'], '/tags/app:v', tags.slice(2)],
      [['copy', 'x.io/l:1'], '/tags/app:v', tags.slice(2)],
      [['copy', 'x.io/l:1', 'x.io/m:1', '--fill-from'], '/tags/app:v', tags.slice(2)],
      [['push', '--to'], '/tags/app:v', tags.slice(2)],
      [['push', '-t'], '/tags/app:v', tags.slice(2)],
    ])('%j %s', async (words, typing, names) => {
      expect(await complete([...words, registry.host + typing])).toEqual(names.map((name) => registry.host + name));
    });

    test('docker:// is kept', async () => {
      expect(await complete(['show', `docker://${registry.host}/tags/app:v`])).toEqual([
        `docker://${registry.host}/tags/app:v1.0`,
      ]);
    });

    test.each<[readonly string[], string]>([
      [['show'], ''],
      [['show'], '/tags/app'],
      [['show'], '/tags/app@sha256:'],
      [['push'], '/tags/app:'],
      [['tags'], '/tags/app:'],
      [['inspect', 'team/app:1.0'], '/tags/app:'],
      [['create', '--platform'], '/tags/app:'],
    ])('no request for %j %s', async (words, typing) => {
      await complete([...words, registry.host + typing]);
      expect(requests).toEqual([]);
    });

    test('stored logins are used, and a refused login is silent', async () => {
      const { login, folder } = await withLogin();
      const at = (env: Readonly<Record<string, string>>) => complete(['show', `${login.host}/team/app:`], env);
      expect(await at({})).toEqual([]);
      expect(await at({ DOCKER_CONFIG: folder })).toEqual([`${login.host}/team/app:v1`]);
    });

    test.each<[string, (host: string) => readonly string[]]>([
      ['an unknown repository', (host) => ['show', `${host}/none/such:`]],
      ['a registry that is not there', () => ['show', 'localhost:1/team/app:']],
      ['an invalid repository', (host) => ['show', `${host}/Not/Valid:`]],
      ['an invalid option', (host) => ['show', '--bogus', `${host}/tags/app:`]],
      ['a port', () => ['show', 'localhost:50']],
    ])('%s: no candidates', async (_name, words) => {
      expect(await complete(words(registry.host))).toEqual([]);
    });

    test('a registry that does not answer: no candidates', async () => {
      const silent = cleanup(await startRegistry({ intercept: () => true }));
      expect(await complete(['show', `${silent.host}/team/app:`])).toEqual([]);
    });
  });

  test("docker's protocol: with descriptions, and a directive for file names", async () => {
    expect((await cli.run(['__complete', 'mlist', 'use', 'team/'])).stdout).toBe('team/app:1.0\tlinux/amd64\n:4\n');
    expect((await cli.run(['__completeNoDesc', 'mlist', 'use', 'team/'])).stdout).toBe('team/app:1.0\n:4\n');
    expect((await cli.run(['__complete', 'mlist', 'serve', '--dir', ''])).stdout).toBe(':0\n');
    expect((await cli.run(['__complete', 'mlist', 'tags', ''])).stdout).toBe(':4\n');
    expect((await cli.run(['__complete', 'mlist', 'gc', ''])).stdout).toBe(':0\n');
    expect((await cli.run(['__complete', 'mlist', 'validate', '-f', ''])).stdout).toBe(':0\n');
  });

  test('completes no drafts, and prints no error, if the state of the workspace cannot be read', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'ws', 'state.json'), { recursive: true });
    const env = { HOME: folder, MLIST_WORKSPACE: join(folder, 'ws') };
    expect(await runMlist(['--complete', 'bash', 'push', ''], env)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test.each(['bash', 'zsh', 'fish'])('the script for %s', async (shell) => {
    expect(await cli.must('completion', shell)).toContain('mlist --complete');
    expect(await cli.run(['completion', `${shell}x`])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('completion takes bash, zsh or fish') as unknown,
    });
  });
});

/** Writes the draft `shell.example/app:1` with one image, as a repository could contain it. */
async function draftWithSource(source: string): Promise<void> {
  await cli.must('create', 'shell.example/app:1', `${registry.host}/team/app:amd64`);
  const { drafts: found } = await cli.json<{ drafts: readonly { ref: string; path: string }[] }>('ls');
  const path = found.find(({ ref }) => ref === 'shell.example/app:1')?.path ?? '';
  const draft = JSON.parse(await readFile(path, 'utf8')) as { entries: Record<string, unknown>[] };
  draft.entries[0]!['source'] = source;
  await writeFile(path, JSON.stringify(draft));
  cleanup({ close: () => cli.must('rm', 'shell.example/app:1').then(() => undefined) });
}

test.each(['oci:a\nb', 'oci:a\u001b[2J'])(
  'a path in a draft with control characters is no candidate: %j',
  async (source) => {
    await draftWithSource(source);
    const { stdout } = await cli.run(['--complete', 'annotate', 'shell.example/app:1', '']);
    expect(stdout).toBe('');
  },
);

/** Runs a shell that finds the built program as `mlist`, and returns the completed words. */
async function runShell(shell: string, script: string, ...args: readonly string[]): Promise<readonly string[]> {
  const bin = join(cli.folder, 'bin');
  const program = programCommand().map((word) => `'${word}'`);
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'mlist'), `#!/bin/sh\nexec ${program.join(' ')} "$@"\n`);
  await chmod(join(bin, 'mlist'), 0o755);
  const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: cli.folder };
  const { stdout } = await promisify(execFile)(shell, ['-c', script, ...args], { env, cwd: cli.folder });
  return stdout.split('\n').filter((word) => word !== '');
}

describeWith('bash', 'completion in bash', () => {
  /** The completions of bash for this line. Of a word with ":" they have only the part after it, as bash expects. */
  async function offered(line: string): Promise<readonly string[]> {
    const script = [
      'source <(mlist completion bash)',
      'COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}',
      '_mlist',
      'printf "%s\\n" "${COMPREPLY[@]}"',
    ].join('\n');
    return runShell('bash', script, 'bash', line);
  }

  const lines: readonly (readonly [string, readonly string[]])[] = [
    ['mlist valid', ['validate']],
    ['mlist push team/a', ['team/app:1.0']],
    ['mlist push team/app:1', ['1.0']],
    ['mlist push -l team/app:', ['1.0']],
    ['mlist completion ', ['bash', 'zsh', 'fish']],
    ['mlist tags x', []],
  ];
  test.each(casesOf(lines, 2))('%j', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });

  test('a path in a draft is quoted, because bash would run a command in it', async () => {
    await draftWithSource('oci:$(touch hacked)');
    expect(await offered('mlist annotate shell.example/app:1 oci:')).toEqual(['\\$\\(touch\\ hacked\\)']);
  });
});

describeWith('zsh', 'completion in zsh', () => {
  /** Replaces commands of zsh with functions that print their arguments, and splits the line into words as zsh does. */
  const stubs =
    'compadd() { print -rl -- "${(@P)2}" }; compdef() { :; }; _files() { print FILES }; words=("$@"); CURRENT=$#';

  const lines: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['mlist', 'valid'], ['validate']],
    [['mlist', 'push', 'team/app:1'], ['team/app:1.0']],
    [['mlist', 'tags', 'x'], ['FILES']],
  ];
  test.each(casesOf(lines, 3))('%j', async (words, expected) => {
    const sourced = `${stubs}; source <(mlist completion zsh); _mlist`;
    expect(await runShell('zsh', sourced, 'zsh', ...words)).toEqual(expected);
    const loaded = 'mkdir -p functions; mlist completion zsh > functions/_mlist; fpath=(functions $fpath)';
    const first = `${stubs}; ${loaded}; autoload -U _mlist; _mlist`;
    expect(await runShell('zsh', first, 'zsh', ...words)).toEqual(expected);
    expect(await runShell('zsh', `${first} > /dev/null; _mlist`, 'zsh', ...words)).toEqual(expected);
  });
});

describeWith('fish', 'completion in fish', () => {
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ['mlist valid', ['validate']],
    ['mlist push team/app:1', ['team/app:1.0']],
    ['mlist push -l team/app:', ['team/app:1.0']],
    ['mlist completion ', ['bash', 'fish', 'zsh']],
    ['mlist apply -f spe', ['specs.yaml']],
    ['mlist validate ./spe', ['./specs.yaml']],
    ['mlist tags x', []],
  ];
  test.each(casesOf(lines, 4))('%j', async (line, expected) => {
    await writeFile(join(cli.folder, 'specs.yaml'), '');
    const script = 'mlist completion fish | source; complete -C $argv[1]';
    const offered = await runShell('fish', script, line);
    expect(offered.map((candidate) => candidate.replace(/\t.*/, ''))).toEqual(expected);
  });
});
