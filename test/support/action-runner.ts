import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { temporaryFolder } from './cli-harness.ts';
import { checkout } from './mlist.ts';

/** Runs the scripts of the GitHub actions as a runner does: inputs in variables, results in files and in the log. */
export interface ActionResult {
  readonly code: number;
  readonly log: string;
  /** The workflow commands in the log that a runner would execute, without their properties. */
  readonly commands: readonly { readonly name: string; readonly text: string }[];
  readonly outputs: Readonly<Record<string, string>>;
  readonly path: readonly string[];
  readonly summary: string;
}

export class ActionRunner {
  readonly folder: string;
  /** Programs in this folder precede those of the system on PATH. */
  readonly programs: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.programs = join(folder, 'programs');
  }

  static async make(): Promise<ActionRunner> {
    const runner = new ActionRunner(await temporaryFolder());
    for (const name of ['programs', 'home', 'temp', 'tools', 'workspace']) await mkdir(join(runner.folder, name));
    return runner;
  }

  /** Adds a program that is a script. */
  async program(name: string, script: string): Promise<void> {
    const file = join(this.programs, name);
    await writeFile(file, script);
    await chmod(file, 0o755);
  }

  /** Adds the built mlist as a program. */
  async mlist(): Promise<void> {
    await this.program('mlist', `#!/bin/sh\nexec '${process.execPath}' '${checkout}/dist/cli/mlist.js' "$@"\n`);
  }

  /** The environment of a step. Nothing of the environment of the tests is inherited except PATH. */
  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const at = (name: string) => join(this.folder, name);
    return {
      PATH: [this.programs, dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter),
      HOME: at('home'),
      RUNNER_TEMP: at('temp'),
      RUNNER_TOOL_CACHE: at('tools'),
      GITHUB_OUTPUT: at('output'),
      GITHUB_PATH: at('path'),
      GITHUB_STEP_SUMMARY: at('summary'),
      GITHUB_REPOSITORY: 'user/project',
      GITHUB_ACTION_REPOSITORY: 'owner/mlist',
      MLIST_NO_MIRRORS: '1',
      NO_COLOR: '1',
      ...more,
    };
  }

  /** @param script - below `.github/actions` */
  async run(
    script: string,
    inputs: Readonly<Record<string, string>>,
    more: Readonly<Record<string, string>> = {},
  ): Promise<ActionResult> {
    const results = ['output', 'path', 'summary'].map((name) => join(this.folder, name));
    await Promise.all(results.map((file) => writeFile(file, '')));
    const env = { ...this.environment(more), ...(await inputVariables(script, inputs)) };
    const { code, output } = await started(
      [process.execPath, join(checkout, '.github/actions', script)],
      env,
      join(this.folder, 'workspace'),
    );
    const [outputs = '', path = '', summary = ''] = await Promise.all(results.map((file) => readFile(file, 'utf8')));
    return {
      code,
      log: output,
      commands: commandsIn(output),
      outputs: parseOutputs(outputs),
      path: path.split('\n').filter((line) => line !== ''),
      summary,
    };
  }

  /** Runs the script of a `run` step. */
  async shell(
    script: string,
    env: Readonly<Record<string, string>>,
    shell: readonly string[] = ['bash', '--noprofile', '--norc', '-eo', 'pipefail', '-c'],
  ): Promise<{ readonly code: number; readonly output: string }> {
    return started([...shell, script], this.environment(env), join(this.folder, 'workspace'));
  }
}

/** The variables of the inputs, with the defaults of the action. @throws Error for an input that is not declared */
async function inputVariables(
  script: string,
  inputs: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const text = await readFile(join(checkout, '.github/actions', dirname(script), 'action.yml'), 'utf8');
  const declared = (parse(text) as { readonly inputs: Readonly<Record<string, { readonly default?: string }>> }).inputs;
  const undeclared = Object.keys(inputs).filter((name) => !(name in declared));
  if (undeclared.length > 0) throw new Error(`not declared in action.yml: ${undeclared.join(', ')}`);
  const given = Object.entries(declared).map(([name, { default: value = '' }]) => [
    `INPUT_${name.toUpperCase()}`,
    inputs[name] ?? value.replace('${{ github.token }}', 'job-token'),
  ]);
  return Object.fromEntries(given) as Record<string, string>;
}

function started(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

/** The commands `::name::text` at the start of a line and `##[name]text` anywhere, unless they are stopped. */
function commandsIn(log: string): ActionResult['commands'] {
  const commands: { name: string; text: string }[] = [];
  let stopToken: string | undefined;
  for (const line of log.split(/\r\n|\n|\r/)) {
    const [, name, text = ''] =
      /^\s*::([^:\s]+)(?:\s[^:]*)?::(.*)$/.exec(line) ?? /##\[([^\]\s]+)[^\]]*\](.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (stopToken === undefined && name === 'stop-commands') stopToken = text;
    else if (name === stopToken) stopToken = undefined;
    else if (stopToken === undefined) commands.push({ name, text: unescaped(text) });
  }
  return commands;
}

function unescaped(text: string): string {
  return text.replaceAll('%0A', '\n').replaceAll('%0D', '\r').replaceAll('%25', '%');
}

/** Parses GITHUB_OUTPUT as the runner does: `NAME=VALUE`, or `NAME<<DELIMITER` and lines until the delimiter. */
function parseOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  const lines = text.split('\n');
  while (lines.length > 0) {
    const line = lines.shift() ?? '';
    const [, name = '', end = ''] = /^([^=]+?)<<(.+)$/.exec(line) ?? [];
    if (name !== '') {
      const at = lines.indexOf(end);
      outputs[name] = lines.splice(0, at).join('\n');
      lines.shift();
    } else if (line.includes('=')) {
      outputs[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
    }
  }
  return outputs;
}
