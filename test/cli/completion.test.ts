import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { programCommand, runMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

let registry: RunningRegistry;
let cli: CliHarness;
let list: string;
beforeAll(async () => {
  registry = await startRegistry();
  await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'completion' }));
  cli = await CliHarness.make();
  list = `${registry.host}/team/app:list`;
  await cli.must('create', list, `${registry.host}/team/app:amd64`);
  await cli.must('create', 'team/app:1.0', `${registry.host}/team/app:amd64`);
  await mkdir(join(cli.workspace, 'drafts'), { recursive: true });
  await writeFile(join(cli.workspace, 'drafts', 'damaged.json'), '{');
});
afterAll(() => registry.close());

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
    [['tags', ''], () => []],
    [['--workspace', 'elsewhere', 'push', ''], () => []],
  ])('%j', async (words, expected) => {
    const { stdout, code } = await cli.run(['--complete', ...words]);
    expect([code, stdout.split('\n').slice(0, -1).sort()]).toEqual([0, [...expected()].sort()]);
  });

  test("docker's protocol: with descriptions, and a directive for file names", async () => {
    expect((await cli.run(['__complete', 'mlist', 'use', 'team/'])).stdout).toBe('team/app:1.0\tlinux/amd64\n:4\n');
    expect((await cli.run(['__completeNoDesc', 'mlist', 'use', 'team/'])).stdout).toBe('team/app:1.0\n:4\n');
    expect((await cli.run(['__complete', 'mlist', 'serve', '--dir', ''])).stdout).toBe(':0\n');
    expect((await cli.run(['__complete', 'mlist', 'tags', ''])).stdout).toBe(':4\n');
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

  test.each<[string, readonly string[]]>([
    ['mlist valid', ['validate']],
    ['mlist push team/a', ['team/app:1.0']],
    ['mlist push team/app:1', ['1.0']],
    ['mlist push -l team/app:', ['1.0']],
    ['mlist completion ', ['bash', 'zsh', 'fish']],
    ['mlist tags x', []],
  ])('%j', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });
});

describeWith('zsh', 'completion in zsh', () => {
  /** Replaces commands of zsh with functions that print their arguments, and splits the line into words as zsh does. */
  const stubs =
    'compadd() { print -rl -- "${(@P)2}" }; compdef() { :; }; _files() { print FILES }; words=("$@"); CURRENT=$#';

  test.each<[readonly string[], readonly string[]]>([
    [['mlist', 'valid'], ['validate']],
    [['mlist', 'push', 'team/app:1'], ['team/app:1.0']],
    [['mlist', 'tags', 'x'], ['FILES']],
  ])('%j', async (words, expected) => {
    const sourced = `${stubs}; source <(mlist completion zsh); _mlist`;
    expect(await runShell('zsh', sourced, 'zsh', ...words)).toEqual(expected);
    const loaded = 'mkdir -p functions; mlist completion zsh > functions/_mlist; fpath=(functions $fpath)';
    const first = `${stubs}; ${loaded}; autoload -U _mlist; _mlist`;
    expect(await runShell('zsh', first, 'zsh', ...words)).toEqual(expected);
    expect(await runShell('zsh', `${first} > /dev/null; _mlist`, 'zsh', ...words)).toEqual(expected);
  });
});

describeWith('fish', 'completion in fish', () => {
  test.each<[string, readonly string[]]>([
    ['mlist valid', ['validate']],
    ['mlist push team/app:1', ['team/app:1.0']],
    ['mlist push -l team/app:', ['team/app:1.0']],
    ['mlist completion ', ['bash', 'fish', 'zsh']],
    ['mlist apply -f spe', ['specs.yaml']],
    ['mlist validate ./spe', ['./specs.yaml']],
    ['mlist tags x', []],
  ])('%j', async (line, expected) => {
    await writeFile(join(cli.folder, 'specs.yaml'), '');
    const script = 'mlist completion fish | source; complete -C $argv[1]';
    const offered = await runShell('fish', script, line);
    expect(offered.map((candidate) => candidate.replace(/\t.*/, ''))).toEqual(expected);
  });
});
