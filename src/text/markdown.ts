import { escapeLine } from './escape.ts';

/**
 * Text of registries in GitHub-flavoured Markdown. It is printed as a code span, in which HTML, links and mentions have no
 * effect. Pipes are escaped, because in a table they would end the cell.
 */
export function markdownCode(text: string): string {
  const line = escapeLine(text);
  if (line === '') return '';
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  // A renderer removes one space on each side, so that the text may begin or end with a backtick or a space.
  const padding = /^[` ]|[` ]$/.test(line) && line.trim() !== '' ? ' ' : '';
  return `${fence}${padding}${line}${padding}${fence}`.replaceAll('|', '\\|');
}

/** Words without a meaning in Markdown. A renderer makes links of addresses, and of issue numbers such as `GH-1`. */
const plainWord = /^(?!www\.|gh-\d)[\p{L}\p{N}.,;:()'/%=+-]*$/iu;

/** A sentence in which words of registries may be quoted. Words that could be markup are printed as code spans. */
export function markdownText(text: string): string {
  const words = escapeLine(text).split(' ');
  return words.map((word) => (plainWord.test(word) && !word.includes('://') ? word : markdownCode(word))).join(' ');
}

/** A column of a Markdown table. Numbers are aligned to the right. */
export interface MarkdownColumn {
  readonly header: string;
  readonly align?: 'right' | undefined;
}

/** A table. Columns without any text are left out. @param rows - cells in Markdown, without line breaks */
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
