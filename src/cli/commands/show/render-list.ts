import { shortDigest, shortImageId } from '../../../oci/digest.ts';
import { formatPlatform } from '../../../oci/platform/platform.ts';
import type { EntryView, ListView } from '../../../operations/inspect/show.ts';
import type { Output, Span } from '../../output/output.ts';
import { escapeLine } from '../../../text/escape.ts';

/** Prints a list. With `tree`, also the annotations and attestations of its entries. */
export function renderList(view: ListView, { tree }: { readonly tree: boolean }, output: Output): void {
  output.line([view.reference, 'bold'], ['  ', 'dim'], [view.from, 'dim']);
  output.line(['type     ', 'dim'], view.mediaType);
  if (view.platform !== undefined) output.line(['platform ', 'dim'], formatPlatform(view.platform, { all: true }));
  output.line(['digest   ', 'dim'], view.digest ?? 'known after the push');
  if (view.size !== undefined) output.line(['size     ', 'dim'], `${view.size} bytes`);
  if (view.artifactType !== undefined) output.line(['artifact ', 'dim'], view.artifactType);
  if (view.subject !== undefined) output.line(['subject  ', 'dim'], view.subject);
  for (const [name, value] of Object.entries(view.annotations ?? {}))
    output.line(['  ', 'dim'], [name, 'cyan'], ` = ${value}`);
  if (view.entries.length === 0) return;
  output.line('');
  const isSparse = view.entries.some(isIncomplete);
  const columns = isSparse ? [...header, 'AVAILABLE'] : header;
  // Control characters are escaped before the width is measured, so that the columns align.
  const rows = view.entries.map((entry) =>
    (isSparse ? [...rowOf(entry), availableText(entry)] : rowOf(entry)).map(escapeLine),
  );
  const widths = widthsOf([columns, ...rows]);
  output.line(...cells(columns, widths).map((text): Span => [text, 'dim']));
  for (const [at, entry] of view.entries.entries()) renderEntry(entry, rows[at] ?? columns, widths, tree, output);
}

const header = ['PLATFORM', 'DIGEST', 'SIZE', 'SET', 'ATTESTATIONS', 'SOURCE'];

function isIncomplete({ available, attestations }: EntryView): boolean {
  return available === false || attestations.some(isIncomplete);
}

/** Whether the location has the image and all of its attestations. */
function availableText({ available, attestations }: EntryView): string {
  if (available === false) return 'no';
  return attestations.some(isIncomplete) ? 'without attestations' : 'yes';
}

function rowOf(entry: EntryView): readonly string[] {
  const { platform, image, digest = '', size, set, attestations, source, artifactType } = entry;
  return [
    platform === undefined ? (artifactType ?? '-') : formatPlatform(platform, { all: true }),
    image === undefined ? shortDigest(digest) : `image ${shortImageId(image)} (digest after push)`,
    size === undefined ? '-' : String(size),
    set?.join(',') ?? '-',
    attestations.length === 0 ? '-' : String(attestations.length),
    source ?? '-',
  ];
}

function widthsOf(rows: readonly (readonly string[])[]): readonly number[] {
  return (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
}

function cells(row: readonly string[], widths: readonly number[]): readonly string[] {
  const isLast = (column: number) => column === row.length - 1;
  return row.map((text, column) => (isLast(column) ? text : `${text.padEnd(widths[column] ?? 0)}  `));
}

function renderEntry(
  entry: EntryView,
  row: readonly string[],
  widths: readonly number[],
  tree: boolean,
  output: Output,
): void {
  const [platform = '', ...others] = cells(row, widths);
  output.line([platform, 'green'], ...others);
  if (!tree) return;
  for (const [name, value] of Object.entries(entry.annotations ?? {}))
    output.line('   ', [name, 'cyan'], ` = ${value}`);
  for (const { digest, size, available } of entry.attestations) {
    const state = available === false ? ', not available' : '';
    output.line(['   attestation ', 'dim'], `${digest ?? ''} ${size ?? 0} bytes${state}`);
  }
}
