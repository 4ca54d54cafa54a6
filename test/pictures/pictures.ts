import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegistry } from '../../src/server/start-registry.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { spawnOnTerminal } from '../support/pseudo-terminal.ts';
import { pushContent } from './content.ts';
import { scenes, type Scene } from './scenes.ts';
import { screenOf, type Cell } from './screen.ts';
import { svgOf } from './svg.ts';

/**
 * Makes the pictures of the documentation from real runs on a pseudo-terminal, against an embedded registry.
 * Usage: pictures.mjs PROGRAM FOLDER [--check]. With --check, only reports which pictures are out of date.
 */
const [program = '', folder = '', flag] = process.argv.slice(2);

interface Stage {
  readonly home: string;
  readonly columns: number;
  readonly env: NodeJS.ProcessEnv;
}

/** Runs the commands of a scene on a new registry, in a new home folder. */
async function linesOf(scene: Scene, columns: number): Promise<readonly (readonly Cell[])[]> {
  const [registry, builds] = [await startRegistry(), await startRegistry()];
  await pushContent(registry.url, builds.url);
  const hosts = { 'registry.example:80': portOf(registry.url), 'ci.example:80': portOf(builds.url) };
  const proxy = await ForwardProxy.start({ hosts, rewritesHost: true });
  const home = await mkdtemp(join(tmpdir(), 'mlist-picture-'));
  const { PATH } = process.env;
  const env = { PATH, HOME: home, HTTP_PROXY: proxy.url, TERM: 'xterm-256color', LANG: 'C.UTF-8' };
  const stage: Stage = { home, columns, env };
  try {
    for (const command of scene.before ?? []) await run(command, stage);
    const lines: (readonly Cell[])[] = [];
    for (const command of scene.commands) {
      if (lines.length > 0) lines.push([]);
      lines.push(...screenOf(promptOf(command, columns), columns), ...screenOf(await run(command, stage), columns));
    }
    return lines;
  } finally {
    await Promise.all([registry.close(), builds.close(), proxy.close(), rm(home, { recursive: true, force: true })]);
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** The command as it is typed. A long one is continued on further lines. */
function promptOf(command: readonly string[], columns: number): string {
  const lines = [['mlist']];
  for (const word of command) {
    const line = lines.at(-1) ?? [];
    if ([...line, word].join(' ').length > columns - '$  \\'.length) lines.push([' ', word]);
    else line.push(word);
  }
  return `\u001b[2m$\u001b[22m \u001b[1m${lines.map((line) => line.join(' ')).join(' \\\n')}\u001b[22m`;
}

async function run(command: readonly string[], { home, columns, env }: Stage): Promise<string> {
  const child = spawnOnTerminal([process.execPath, program, ...command], { cwd: home, env, columns });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  const shown = Buffer.concat(chunks).toString('utf8');
  if (code !== 0) throw new Error(`mlist ${command.join(' ')} ended with ${code}:\n${shown}`);
  return shown;
}

/** The pictures by file name. */
async function pictures(): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for (const scene of scenes) {
    for (const columns of scene.widths) {
      const picture = { title: scene.title, columns, lines: await linesOf(scene, columns) };
      const width = scene.widths.length > 1 ? `-${columns}` : '';
      for (const theme of ['dark', 'light'] as const)
        made.set(`${scene.name}${width}-${theme}.svg`, svgOf(picture, theme));
    }
  }
  return made;
}

/** The files that differ from the pictures, in both directions. */
async function outdated(made: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const stored = await readdir(folder).catch(() => []);
  const names = [...new Set([...stored.filter((name) => name.endsWith('.svg')), ...made.keys()])];
  const differs = await Promise.all(
    names.map(async (name) => made.get(name) !== (await readFile(join(folder, name), 'utf8').catch(() => undefined))),
  );
  return names.filter((_, at) => differs[at]);
}

const made = await pictures();
if (flag === '--check') {
  const names = await outdated(made);
  if (names.length > 0) {
    process.stderr.write(`docs/pictures is out of date: run npm run pictures (${names.join(', ')})\n`);
    process.exitCode = 1;
  }
} else {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, svg] of made) await writeFile(join(folder, name), svg);
}
