import { displayWidth, padToWidth, wrapToWidth } from '../../text/display-width.ts';
import { escapeLine } from '../../text/escape.ts';
import { textOf, type Output, type Span, type Style } from '../output/output.ts';

/** A column of a table on a terminal. */
export interface Column {
  readonly header: string;
  readonly style?: Style | undefined;
  readonly align?: 'right' | undefined;
  /** Whether long cells are wrapped even if this is not the last column. Default false. */
  readonly wraps?: boolean | undefined;
}

const GAP = 2;
/** The indentation of columns that are printed on further lines. */
const INDENT = 4;
/** The minimum width of the last column beside other columns, unless its content is narrower. */
const MIN_LAST = 20;

interface Cell {
  readonly text: string;
  readonly style: Style | undefined;
}

interface Placed {
  readonly column: Column;
  /** The position of the column in all columns, including omitted ones. */
  readonly at: number;
  readonly start: number;
  readonly width: number;
}

/**
 * Prints a table within the given width. Empty columns are omitted, and the last column is wrapped. If the columns do
 * not fit on one line, the widest ones are printed on further lines, at the same position in every row.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Span[])[],
  output: Output,
  width: number,
): void {
  const cells = rows.map((row) => columns.map((column, at) => cellOf(row[at] ?? '', column)));
  const shown = columns.flatMap((column, at) => (cells.some((row) => row[at]?.text) ? [{ column, at }] : []));
  const header = columns.map((column): Cell => ({ text: column.header, style: 'dim' }));
  const widths = new Map(
    shown.map(({ at }) => [at, Math.max(...[header, ...cells].map((row) => displayWidth(row[at]?.text ?? '')))]),
  );
  const lines = placed(shown, widths, width);
  for (const row of [header, ...cells]) for (const line of lines) renderLine(line, row, output);
}

/** Escapes the text of a cell. This must happen before the width is measured, or else the columns would not align. */
function cellOf(span: Span, { style }: Column): Cell {
  return typeof span === 'string' ? { text: escapeLine(span), style } : { text: escapeLine(span[0]), style: span[1] };
}

/**
 * Distributes the columns to the lines of a row. If one line is too narrow for all columns, the widest ones are moved
 * to further lines.
 */
function placed(
  shown: readonly Pick<Placed, 'column' | 'at'>[],
  widths: ReadonlyMap<number, number>,
  total: number,
): readonly (readonly Placed[])[] {
  const isLast = (at: number) => at === shown.at(-1)?.at;
  const natural = (at: number) => widths.get(at) ?? 0;
  const needed = (at: number, width: number) => (isLast(at) ? Math.min(width, MIN_LAST) : width);
  const isTooWide = (all: readonly { readonly needed: number }[]) =>
    all.reduce((sum, one) => sum + GAP + one.needed, -GAP) > total;
  const full = shown.map(({ column, at }) => ({ column, at, wanted: natural(at), needed: needed(at, natural(at)) }));
  const limit = Math.max(MIN_LAST, Math.floor(total * 0.4));
  const limited = full.map((one) => {
    const wanted = one.column.wraps === true ? Math.min(one.wanted, limit) : one.wanted;
    return { ...one, wanted, needed: needed(one.at, wanted) };
  });
  const beside = [...(isTooWide(full) ? limited : full)];
  const below: typeof beside = [];
  while (beside.length > 1 && isTooWide(beside)) {
    const widest = beside.slice(1).reduce((most, one) => (one.needed > most.needed ? one : most));
    below.push(...beside.splice(beside.indexOf(widest), 1));
  }
  const lines: Placed[][] = [[]];
  let next = 0;
  for (const { column, at, wanted, needed } of [...beside, ...below.sort((left, right) => left.at - right.at)]) {
    if (below[0]?.at === at || next + needed > total) {
      next = lines[0]?.length === 0 ? 0 : INDENT;
      if (lines[0]?.length !== 0) lines.push([]);
    }
    const width = Math.min(wanted, total - next);
    lines.at(-1)?.push({ column, at, start: next, width });
    next += width + GAP;
  }
  return lines;
}

function renderLine(line: readonly Placed[], row: readonly Cell[], output: Output): void {
  const parts = line.map(({ at, width }) => wrapToWidth(row[at]?.text ?? '', width));
  const height = Math.max(...parts.map((texts) => texts.length));
  if (parts.every((texts) => texts.every((text) => text === ''))) return;
  for (let index = 0; index < height; index += 1) {
    const last = parts.findLastIndex((texts) => (texts[index] ?? '') !== '');
    const spans = line.slice(0, last + 1).flatMap(({ column, at, start, width }, place): readonly Span[] => {
      const text = parts[place]?.[index] ?? '';
      const gap = ' '.repeat(place === 0 ? start : GAP);
      const padded = place === last && column.align === undefined ? text : padToWidth(text, width, column.align);
      const style = row[at]?.style;
      return [gap, style === undefined ? padded : [padded, style]];
    });
    output.line(...spans);
  }
}

/** Prints a label and its text. Wrapped lines are indented to the beginning of the text. */
export function renderFact(label: Span, text: Span, output: Output, width: number): void {
  const indent = displayWidth(textOf(label));
  const [content, style] = typeof text === 'string' ? [text, undefined] : text;
  for (const [index, line] of wrapToWidth(escapeLine(content), width - indent).entries())
    output.line(index === 0 ? label : ' '.repeat(indent), style === undefined ? line : [line, style]);
}

/** Prints the name of a list, and where it was read from, such as `draft` or `registry`. */
export function renderTitle(
  { reference, from }: { readonly reference: string; readonly from: string },
  output: Output,
  width: number,
): void {
  if (displayWidth(escapeLine(reference)) + GAP + from.length <= width)
    return output.line([reference, 'bold'], ' '.repeat(GAP), [from, 'dim']);
  renderFact('', [reference, 'bold'], output, width);
  output.line([from, 'dim']);
}
