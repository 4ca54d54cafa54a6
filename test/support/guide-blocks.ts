import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath } from './docker-registry.ts';
import { checkout } from './mlist.ts';

/**
 * The fenced blocks of a page, and a run of its commands as one shell script. A word after the language says how a block runs:
 * `no-run`; `exit=N` if the last command exits with N; `background` for a server, which has started when it prints something;
 * `needs=PROGRAM[,PROGRAM]`. A `text` block after a block with commands is
 * their output, unless it is marked `no-check`.
 */
export interface Block {
  readonly language: string;
  readonly marks: readonly string[];
  readonly content: string;
  /** Offset of the content in the page. */
  readonly at: number;
}

export function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [whole, language = '', marks = '', content = ''] = match;
    const at = match.index + whole.indexOf('\n') + 1;
    return { language, marks: marks.split(' ').filter((mark) => mark !== ''), content, at };
  });
}

function valueOf({ marks }: Block, name: string): string | undefined {
  return marks.find((mark) => mark.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The programs that a block needs and that cannot be used here. */
function missingPrograms(block: Block): readonly string[] {
  const needed = valueOf(block, 'needs')?.split(',') ?? [];
  return needed.filter((name) =>
    name === 'docker'
      ? programPath(name) === undefined || process.env['DOCKER_CONTAINERD_HOST'] === undefined
      : programPath(name) === undefined,
  );
}

export type Decision = 'run' | 'no-run' | `needs ${string}`;

export function decisionFor(block: Block): Decision {
  if (block.marks.includes('no-run')) return 'no-run';
  const [missing] = missingPrograms(block);
  return missing === undefined ? 'run' : `needs ${missing}`;
}

export interface RunBlock {
  readonly block: Block;
  readonly output: string;
  readonly code: number;
  readonly expectedCode: number;
  /** The block that shows the output, if the page has one. */
  readonly shown: Block | undefined;
}

/** Addresses in the pages, and those to use instead. They have the same number of characters. */
export type Addresses = ReadonlyMap<string, string>;

const replaceAll = (text: string, pairs: Iterable<readonly [string, string]>) =>
  [...pairs].reduce((result, [from, to]) => result.replaceAll(from, to), text);

/**
 * Runs the blocks of a page in order, in one shell, in a new folder with a link to the examples. Stops after the first block
 * that does not exit as expected.
 */
export async function runPage(page: string, addresses: Addresses): Promise<readonly RunBlock[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-guide-'));
  try {
    await prepare(folder, addresses);
    const blocks = blocksOf(page);
    const chosen = blocks.flatMap((block, at) => {
      if (block.language !== 'sh' || decisionFor(block) !== 'run') return [];
      const next = blocks[at + 1];
      const shown = next?.language === 'text' && !next.marks.includes('no-check') ? next : undefined;
      return [{ block, shown, expectedCode: Number(valueOf(block, 'exit') ?? 0) }];
    });
    const steps = chosen.map(({ block }, at) => scriptOf(block, at));
    const status = await runShell(replaceAll(['set -eo pipefail', ...steps].join('\n'), addresses), folder);
    const back = [...addresses].flatMap(([from, to]): [string, string][] => [
      [to, from],
      [encodeURIComponent(to), encodeURIComponent(from)],
    ]);
    const results: RunBlock[] = [];
    for (const [at, one] of chosen.entries()) {
      const output = await readFile(join(folder, 'output', String(at)), 'utf8').catch(() => undefined);
      if (output === undefined) break;
      const code = await readFile(join(folder, 'output', `${at}.code`), 'utf8').catch(() => String(status));
      const normalised = replaceAll(output, [...back, [`${folder}/`, '/tmp/']]);
      results.push({ ...one, output: withSortedLines(normalised), code: Number(code) });
    }
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The script that runs a block and writes its output and its exit code to files. */
function scriptOf(block: Block, at: number): string {
  const output = `"$OUTPUT/${at}"`;
  if (block.marks.includes('background'))
    return `{\n${block.content}} >${output} 2>&1 &\nwhile [ ! -s ${output} ]; do sleep 0.05; done\necho 0 >"$OUTPUT/${at}.code"`;
  const mayFail = valueOf(block, 'exit') === undefined ? '' : 'set +e\n';
  return `${mayFail}{\n${block.content}} >${output} 2>&1\necho "$?" >"$OUTPUT/${at}.code"\nset -e`;
}

/** Runs a script, and ends what it has started in the background. @returns the exit code */
async function runShell(script: string, folder: string): Promise<number> {
  const options = { cwd: join(folder, 'work'), env: environment(folder), detached: true, stdio: 'ignore' } as const;
  const child = spawn('bash', ['-c', script], options);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('exit', (status) => resolve(status ?? 1));
  });
  try {
    if (child.pid !== undefined) process.kill(-child.pid);
  } catch {
    // Nothing runs in the background.
  }
  return code;
}

async function prepare(folder: string, addresses: Addresses): Promise<void> {
  const examples = join(folder, 'work', 'docs', 'examples');
  for (const path of [examples, join(folder, 'bin'), join(folder, 'output'), join(folder, 'home')])
    await mkdir(path, { recursive: true });
  const program = join(folder, 'bin', 'mlist');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${checkout}/dist/cli/mlist.js' "$@"\n`);
  await chmod(program, 0o755);
  await writeFile(join(examples, 'images.tar'), await readFile(join(checkout, 'docs/examples/images.tar')));
  const lists = await readFile(join(checkout, 'docs/examples/images.yaml'), 'utf8');
  await writeFile(join(examples, 'images.yaml'), replaceAll(lists, addresses));
}

function environment(folder: string): NodeJS.ProcessEnv {
  const home = join(folder, 'home');
  const { DOCKER_CONTAINERD_HOST, PATH = '' } = process.env;
  return {
    PATH: `${join(folder, 'bin')}:${PATH}`,
    HOME: home,
    OUTPUT: join(folder, 'output'),
    NO_COLOR: '1',
    MLIST_NO_MIRRORS: '1',
    XDG_CACHE_HOME: join(tmpdir(), 'mlist-guides-cache'),
    ...(DOCKER_CONTAINERD_HOST === undefined ? {} : { DOCKER_HOST: DOCKER_CONTAINERD_HOST }),
  };
}

/** Manifests and tags are pushed concurrently, so the order of their lines is undefined. */
const withSortedLines = (output: string) =>
  output.replaceAll(/(?:^manifest .*\n)+|(?:^pushed .*\n)+/gm, (lines) =>
    lines
      .split(/(?<=\n)/)
      .sort()
      .join(''),
  );

/** The page with its output blocks replaced by what the commands have printed. */
export function withOutput(page: string, ran: readonly RunBlock[]): string {
  return ran.reduceRight((text, { shown, output }) => {
    if (shown === undefined) return text;
    return text.slice(0, shown.at) + output + text.slice(shown.at + shown.content.length);
  }, page);
}
