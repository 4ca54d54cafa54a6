import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { commands } from '../src/cli/commands/commands.ts';
import { parsePluginCall } from '../src/cli/docker-plugin/docker-plugin.ts';
import { version } from '../src/version.ts';
import { commandPosition, parseCommand } from '../src/cli/args/parse-arguments.ts';

/** mlist accepts every command line in the documentation. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = ['README.md', 'CONTRIBUTING.md', ...['docs', 'docs/guides', 'docs/guides/zh-CN'].flatMap(pagesIn)];
const read = (page: string) => readFileSync(join(root, page), 'utf8');

function pagesIn(folder: string): readonly string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);
}

const operators = /^(?:\|\|?|&&?|;|<\(|\$\(|\(|\))$/;

/** The words of each simple command in a line of shell. Quoted text is one word, and redirections are omitted. */
function commandsIn(line: string): readonly (readonly string[])[] {
  const tokens =
    line.match(/(?:\$\(|<\(|\|\|?|&&?|[();]|[0-9]?>>?|<(?!\()|#.*$|(?:'[^']*'|"[^"]*"|[^\s'"|&();<>])+)/g) ?? [];
  const simple: string[][] = [[]];
  let skips = false;
  for (const token of tokens) {
    if (token.startsWith('#')) break;
    if (skips) skips = false;
    else if (/^[0-9]?>>?$|^<$/.test(token)) skips = true;
    else if (operators.test(token)) simple.push([]);
    else simple.at(-1)?.push(token.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return simple.filter((words) => words.length > 0);
}

/** Parses a command line like the program. Throws if it is invalid. */
function understand(words: readonly string[]): void {
  const [, ...rest] = words;
  const { args } = parsePluginCall(rest, {});
  const at = commandPosition(args);
  const command = commands.find(({ name }) => name === args[at]);
  if (command !== undefined) parseCommand(command, args.toSpliced(at, 1));
  else if (!['--version', '--help', 'help'].includes(args[0] ?? '')) throw new Error(`no command ${args.join(' ')}`);
}

function isMlist([program, ...rest]: readonly string[]): boolean {
  return program === 'mlist' || (program === 'docker' && rest.includes('mlist'));
}

/** The lines of a script. A line that ends with a backslash or a pipe continues; here-documents are left out. */
function joined(script: string): readonly string[] {
  return script
    .replaceAll(/\\\n\s*/g, '')
    .replaceAll(/\|\n\s*/g, '| ')
    .replaceAll(/(<<'(\w+)')\n.*?\n\2$/gms, '')
    .split('\n');
}

const blocks = pages.flatMap((page) =>
  [...read(page).matchAll(/^```sh\b.*?\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    joined(block).map((line) => ({ page, line })),
  ),
);
const shown = blocks.flatMap(({ page, line }) =>
  commandsIn(line)
    .filter(isMlist)
    .map((words): [string, readonly string[]] => [`${page}: ${words.join(' ')}`, words]),
);

describe('command lines in the documentation', () => {
  test('are found', () => {
    expect(new Set(shown.map(([name]) => name.split(':')[0])).size).toBeGreaterThan(4);
    expect(shown.length).toBeGreaterThan(60);
  });

  test.each(shown)('%s', (_name, words) => {
    expect(() => understand(words)).not.toThrow();
  });

  test('in running text, have existing commands and options', () => {
    const inline = pages
      .filter((page) => page !== 'docs/cli.md')
      .flatMap((page) => [...read(page).matchAll(/`mlist ([^`\n]+)`/g)].map(([, text = '']) => ({ page, text })));
    expect(inline.length).toBeGreaterThan(10);
    const wrong = inline.flatMap(({ page, text }) => {
      const [name, ...rest] = text.split(' ');
      const command = commands.find((one) => one.name === name);
      if (command === undefined) return text.startsWith('--') || name === 'COMMAND' ? [] : [`${page}: ${text}`];
      const known = parseable(command.name, rest);
      return known ? [] : [`${page}: ${text}`];
    });
    expect(wrong).toEqual([]);
  });

  test('this test detects unknown commands and options', () => {
    expect(commandsIn('mlist a \'b c\' --x="d" | sha256sum # e')).toEqual([
      ['mlist', 'a', 'b c', '--x=d'],
      ['sha256sum'],
    ]);
    expect(commandsIn('source <(mlist completion bash) && mlist ls > f')).toEqual([
      ['source'],
      ['mlist', 'completion', 'bash'],
      ['mlist', 'ls'],
    ]);
    expect(() => understand(['mlist', 'push', '--nope'])).toThrow(/unknown option --nope/);
    expect(() => understand(['mlist', 'pusch'])).toThrow(/no command/);
    expect(() => understand(['docker', '-D', 'mlist', 'push', '--nope'])).toThrow(/unknown option/);
    expect(parseable('push', ['--nope'])).toBe(false);
  });
});

/** Whether the command has these options. In running text the number of arguments is not checked. */
function parseable(name: string, words: readonly string[]): boolean {
  const command = commands.find((one) => one.name === name);
  if (command === undefined) return false;
  try {
    parseCommand({ ...command, positionals: { min: 0, max: Number.POSITIVE_INFINITY } }, words);
    return true;
  } catch {
    return false;
  }
}

describe('events', () => {
  test('docs/errors.md has a line for each type, and no other', () => {
    const { $defs } = JSON.parse(read('schemas/output/event.schema.json')) as { $defs: object };
    const section = read('docs/errors.md').split('## Events')[1] ?? '';
    const types = [...section.matchAll(/^\| `(\w+)` +\|/gm)].map(([, type]) => type).filter((type) => type !== 'type');
    expect(types.sort()).toEqual([...Object.keys($defs), 'error'].sort());
  });
});

test('pages that are named in the sources exist', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('compiled'))
    .map((name) => read(join('src', name)));
  const named = sources.flatMap((text) => text.match(/\bdocs\/(?:decisions\/)?[a-z0-9-]+\.md\b/g) ?? []);
  const existing = new Set([
    ...pages,
    ...readdirSync(join(root, 'docs/decisions')).map((name) => `docs/decisions/${name}`),
  ]);
  expect(named.filter((page) => !existing.has(page))).toEqual([]);
});

describe('docs/security.md', () => {
  const links = [...read('docs/security.md').matchAll(/\[([^\]\n]+)\]\(\.\.\/(test\/[^)]+)\)/g)].map(
    ([, name = '', file = '']): [string, string] => [file, name],
  );

  test('names a test for each threat', () => {
    const rows = read('docs/security.md')
      .split('| threat')
      .slice(1)
      .flatMap((table) => (table.split('\n\n')[0] ?? '').split('\n').slice(2))
      .filter((row) => row.startsWith('|'));
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.filter((row) => !row.includes('(../test/'))).toEqual([]);
  });

  test.each(links)('%s has the test "%s"', (file, name) => {
    const quoted = ["'", '"', '`'].map(
      (quote) => `${quote}${name.replaceAll("'", quote === "'" ? "\\'" : "'")}${quote}`,
    );
    expect(quoted.some((text) => read(file).includes(text))).toBe(true);
  });
});

test('docs/install.md names this version', () => {
  const versions = [...read('docs/install.md').matchAll(/\d+\.\d+\.\d+/g)].map(([found]) => found);
  expect(new Set(versions)).toEqual(new Set([version]));
});
