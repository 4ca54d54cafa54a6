import { usagesOf, type CommandDeclaration, type OptionDeclaration } from '../args/command-declaration.ts';
import { wrapWords } from '../../text/wrap-words.ts';
import { globalOptions, ownOptions } from '../args/global-options.ts';
import type { CommandGroup } from '../commands/commands.ts';

/**
 * This file renders help from the declarations. `width` is the width of the terminal; text is wrapped to at least 60
 * and at most 100 columns.
 */

const MIN_WIDTH = 60;
const MAX_WIDTH = 100;

/** If a label is wider than this, its description begins on the next line. */
const MAX_LABEL = 30;

/** The help topic for the global options: `mlist help options`. */
export const OPTIONS_TOPIC = 'options';

/** Returns the overview: all commands, grouped by task. */
export function overview(groups: readonly CommandGroup[], width: number): string {
  const visible = groups.map(({ title, commands }) => ({
    title,
    rows: commands.filter(({ hidden }) => hidden !== true).map(({ name, summary }): Row => [name, summary]),
  }));
  const labelWidth = widest(visible.flatMap(({ rows }) => rows));
  return [
    'Usage: mlist COMMAND [OPTION...]\n',
    `${wrap('Draft, annotate, validate and push multi-platform image lists.', limit(width)).join('\n')}\n`,
    ...visible.map(({ title, rows }) => section(title, table(rows, labelWidth, width))),
    'Run "mlist COMMAND --help" for a command and its options.',
    'Run "mlist help options" for the global options.',
  ].join('\n');
}

/** Returns the help of one command: its usage, summary, examples and own options. */
export function commandHelp(command: CommandDeclaration, width: number): string {
  const [first = '', ...more] = usagesOf(command);
  const usage = [`Usage: ${first}`, ...more.map((line) => `       ${line}`)].join('\n');
  const { examples } = command;
  return [
    `${usage}\n`,
    `${wrap(`${command.summary}.`, limit(width)).join('\n')}\n`,
    ...(examples.length === 0
      ? []
      : [
          section(
            'Examples',
            examples.map((example) => exampleText(example, width)),
          ),
        ]),
    ...optionSection('Options', ownOptions(command), width),
    'Run "mlist help options" for the global options.',
  ].join('\n');
}

/** Returns the help for the global options. */
export function optionsHelp(width: number): string {
  return optionSection('Global options', globalOptions, width).join('\n').trimEnd();
}

type Row = readonly [label: string, description: string];

function section(title: string, lines: readonly string[]): string {
  return `${title}:\n${lines.join('\n')}\n`;
}

function optionSection(title: string, options: readonly OptionDeclaration[], width: number): readonly string[] {
  const rows = options.map((option): Row => [optionLabel(option), optionDescription(option)]);
  return rows.length === 0 ? [] : [section(title, table(rows, widest(rows), width))];
}

function optionLabel({ name, alias, value }: OptionDeclaration): string {
  const short = alias === undefined ? '    ' : `-${alias}, `;
  return `${short}--${name}${value === undefined ? '' : ` ${value}`}`;
}

function optionDescription({ describe, repeat }: OptionDeclaration): string {
  return repeat === true ? `${describe} (repeatable)` : describe;
}

function widest(rows: readonly Row[]): number {
  return Math.max(...rows.map(([label]) => label.length).filter((length) => length <= MAX_LABEL), 0);
}

/** Formats two columns: labels, and wrapped descriptions. */
function table(rows: readonly Row[], labelWidth: number, width: number): readonly string[] {
  const indent = ' '.repeat(labelWidth + 4);
  return rows.flatMap(([label, description]) => {
    const lines = wrap(description, limit(width) - indent.length).map((line) => indent + line);
    const start = `  ${label}`;
    if (label.length > labelWidth) return [start, ...lines];
    return [start.padEnd(indent.length) + (lines[0] ?? '').slice(indent.length), ...lines.slice(1)];
  });
}

/** Formats an example. A long command is wrapped with backslashes, so that it can be copied to a shell. */
function exampleText([line, what]: readonly [string, string], width: number): string {
  const comment = wrap(what, limit(width) - 4).map((text) => `  # ${text}`);
  const [first = '', ...more] = wrapCommand(line, Math.max(limit(width), 80) - 4);
  return [...comment, ...[first, ...more.map((text) => `  ${text}`)].map((text) => `  ${text}`)].join('\n');
}

/** Splits a command at blanks outside quotes. Each line except for the last one ends with a backslash. */
function wrapCommand(line: string, width: number): readonly string[] {
  if (line.length <= width) return [line];
  const words = line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  const lines = wrapWords(words, width - 4);
  return lines.map((text, at) => (at < lines.length - 1 ? `${text} \\` : text));
}

function wrap(text: string, width: number): readonly string[] {
  return wrapWords(text.split(' '), width);
}

function limit(width: number): number {
  return Math.min(Math.max(width, MIN_WIDTH), MAX_WIDTH);
}
