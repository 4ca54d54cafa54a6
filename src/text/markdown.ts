import { escapeLine } from './escape.ts';

/**
 * Formats text of a registry for GitHub-flavoured Markdown, as a code span, in which HTML, links and mentions have no
 * effect. Pipes are escaped, because they would end the cell of a table.
 */
export function markdownCode(text: string): string {
  const line = escapeLine(text);
  if (line === '') return '';
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  // Renderers remove one space on each side, so that a code span can begin or end with a backtick or a space.
  const padding = /^[` ]|[` ]$/.test(line) && line.trim() !== '' ? ' ' : '';
  return `${fence}${padding}${line}${padding}${fence}`.replaceAll('|', '\\|');
}

/**
 * Words that Markdown does not interpret. The pattern excludes addresses and issue numbers such as `GH-1`, which become
 * links.
 */
const plainWord = /^(?!www\.|gh-\d)[\p{L}\p{N}.,;:()'/%=+-]*$/iu;

/** Formats a sentence that may contain words from a registry. Words that Markdown could interpret become code spans. */
export function markdownText(text: string): string {
  const words = escapeLine(text).split(' ');
  return words.map((word) => (plainWord.test(word) && !word.includes('://') ? word : markdownCode(word))).join(' ');
}

/** A column of a Markdown table. Numbers are aligned to the right. */
export interface MarkdownColumn {
  readonly header: string;
  readonly align?: 'right' | undefined;
}

/** Formats a table. Columns without any text are omitted. @param rows - cells in Markdown, without line breaks */
export function markdownTable(
  columns: readonly MarkdownColumn[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const shown = columns.flatMap((column, at) => (rows.some((row) => (row[at] ?? '') !== '') ? [{ column, at }] : []));
  if (shown.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(shown.map(({ column }) => column.header)),
    line(shown.map(({ column }) => (column.align === 'right' ? '---:' : '---'))),
    ...rows.map((row) => line(shown.map(({ at }) => row[at] ?? ''))),
  ];
}
