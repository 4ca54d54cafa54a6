import { formatPlatform } from '../../../oci/platform/platform.ts';
import type { EntryView } from '../../../operations/inspect/entry-view.ts';
import type { ListView } from '../../../operations/inspect/show.ts';
import type { Output, Span } from '../../output/output.ts';
import { escapeLine } from '../../../text/escape.ts';
import { availableText, digestText, isIncomplete } from '../../../operations/inspect/list-facts.ts';

export interface RowOptions {
  /** Whether to add a column with the sizes of the images, in bytes. */
  readonly sizes: boolean;
  /** Whether to print full digests. */
  readonly digests: boolean;
}

/** Prints a list for other programs: one row for each entry, without wrapping. Empty cells contain `-`. */
export function renderRows(view: ListView, options: RowOptions, output: Output): void {
  output.line([view.reference, 'bold'], ['  ', 'dim'], [view.from, 'dim']);
  output.line(['type     ', 'dim'], view.mediaType);
  if (view.platform !== undefined) output.line(['platform ', 'dim'], formatPlatform(view.platform, { all: true }));
  output.line(['digest   ', 'dim'], view.digest ?? 'known after the push');
  if (view.size !== undefined) output.line(['size     ', 'dim'], `${view.size} bytes`);
  if (options.sizes && view.imageSize !== undefined) output.line(['image    ', 'dim'], `${view.imageSize} bytes`);
  if (view.artifactType !== undefined) output.line(['artifact ', 'dim'], view.artifactType);
  if (view.subject !== undefined) output.line(['subject  ', 'dim'], view.subject);
  for (const [name, value] of Object.entries(view.annotations ?? {}))
    output.line(['  ', 'dim'], [name, 'cyan'], ` = ${value}`);
  if (view.entries.length === 0) return;
  output.line('');
  const columns = columnsOf(view.entries, options);
  // Control characters are escaped before the width is measured, so that the columns align.
  const rows = view.entries.map((entry) => columns.map(([, cell]) => escapeLine(cell(entry))));
  const headers = columns.map(([header]) => header);
  const widths = headers.map((header, at) => Math.max(header.length, ...rows.map((row) => (row[at] ?? '').length)));
  output.line(...cells(headers, widths).map((text): Span => [text, 'dim']));
  for (const row of rows) {
    const [platform = '', ...others] = cells(row, widths);
    output.line([platform, 'green'], ...others);
  }
}

type RowColumn = readonly [header: string, cell: (entry: EntryView) => string];

function columnsOf(entries: readonly EntryView[], { sizes, digests }: RowOptions): readonly RowColumn[] {
  return [
    ['PLATFORM', platformText],
    ['DIGEST', (entry) => digestText(entry, digests)],
    ['SIZE', ({ size }) => String(size ?? '-')],
    ['SET', ({ set }) => set?.join(',') ?? '-'],
    ['ATTESTATIONS', ({ attestations }) => (attestations.length === 0 ? '-' : String(attestations.length))],
    ['SOURCE', ({ source }) => source ?? '-'],
    ...(entries.some(isIncomplete) ? [['AVAILABLE', availableText] as const] : []),
    ...(sizes ? [['IMAGE-SIZE', ({ imageSize }: EntryView) => String(imageSize ?? '-')] as const] : []),
  ];
}

function platformText({ platform, artifactType }: EntryView): string {
  return platform === undefined ? (artifactType ?? '-') : formatPlatform(platform, { all: true });
}

function cells(row: readonly string[], widths: readonly number[]): readonly string[] {
  const isLast = (column: number) => column === row.length - 1;
  return row.map((text, column) => (isLast(column) ? text : `${text.padEnd(widths[column] ?? 0)}  `));
}
