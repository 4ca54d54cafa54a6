import { escapeLine } from './escape.ts';

/**
 * Formats untrusted text as a code span for GitHub-flavoured Markdown. HTML, links and mentions have no effect in a
 * code span. Pipes are escaped, because they would end a table cell.
 */
export function markdownCode(text: string): string {
  const line = escapeLine(text);
  if (line === '') return '';
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  // A backtick next to the fence would become part of it, and renderers remove one space on each side. In both cases, a
  // space is added on each side.
  const padding = /^[` ]|[` ]$/.test(line) && line.trim() !== '' ? ' ' : '';
  return `${fence}${padding}${line}${padding}${fence}`.replaceAll('|', '\\|');
}

/**
 * Matches words that Markdown does not interpret. Addresses such as `www.example.com` and issue numbers such as `GH-1`
 * do not match, because they become links.
 */
const plainWord = /^(?!www\.|gh-\d)[\p{L}\p{N}.,;:()'/%=+-]*$/iu;

/** Formats a sentence with untrusted words for Markdown. Words that Markdown could interpret become code spans. */
export function markdownText(text: string): string {
  const words = escapeLine(text).split(' ');
  return words.map((word) => (plainWord.test(word) && !word.includes('://') ? word : markdownCode(word))).join(' ');
}

/** A column of a Markdown table. It is aligned to the left by default. */
export interface MarkdownColumn {
  readonly header: string;
  readonly align?: 'right' | undefined;
}

/**
 * Formats a table. Columns whose cells are all empty are omitted.
 * @param rows - cells in Markdown, without line breaks
 */
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
