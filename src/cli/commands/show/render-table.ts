import type { EntryView } from '../../../operations/inspect/entry-view.ts';
import type { ListView } from '../../../operations/inspect/show.ts';
import { byteSize } from '../../../text/quantity.ts';
import type { Output, Span } from '../../output/output.ts';
import { renderFact, renderTable, renderTitle, type Column } from '../../render/table.ts';
import {
  availableText,
  digestText,
  entryLabel,
  isIncomplete,
  listFacts,
} from '../../../operations/inspect/list-facts.ts';

const columns: readonly Column[] = [
  { header: 'PLATFORM', style: 'green', wraps: true },
  { header: 'DIGEST' },
  { header: 'SIZE', align: 'right' },
  { header: 'SET', style: 'yellow', wraps: true },
  { header: 'ATTESTATIONS', align: 'right' },
  { header: 'AVAILABLE', wraps: true },
  { header: 'PROBLEM', style: 'red', wraps: true },
  { header: 'SOURCE', style: 'dim' },
];

/** Prints a list on a terminal. Empty columns are left out. The sizes are image sizes, not manifest sizes. */
export function renderListTable(view: ListView, isFull: boolean, output: Output, width: number): void {
  renderTitle(view, output, width);
  for (const [label, text] of listFacts(view)) renderFact([label.padEnd(9), 'dim'], text, output, width);
  for (const [name, value] of Object.entries(view.annotations ?? {}))
    renderFact('         ', `${name} = ${value}`, output, width);
  if (view.entries.length === 0) return;
  output.line('');
  const isSparse = view.entries.some(isIncomplete);
  const rows = view.entries.map((entry) => rowOf(entry, { isFull, isSparse }));
  renderTable(columns, rows, output, width);
}

function rowOf(entry: EntryView, { isFull, isSparse }: Record<'isFull' | 'isSparse', boolean>): readonly Span[] {
  const { imageSize, set = [], attestations, source = '', fault = '' } = entry;
  const available = isSparse ? availableText(entry) : '';
  return [
    entryLabel(entry),
    digestText(entry, isFull),
    imageSize === undefined ? '' : byteSize(imageSize),
    set.join(', '),
    attestations.length === 0 ? '' : String(attestations.length),
    available === 'yes' ? available : [available, 'red'],
    fault,
    source,
  ];
}
