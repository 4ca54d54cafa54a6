import type { EntryView } from '../../../operations/inspect/entry-view.ts';
import type { ListView } from '../../../operations/inspect/show.ts';
import { byteSize } from '../../../text/quantity.ts';
import { markdownCode, markdownTable, markdownText } from '../../../text/markdown.ts';
import {
  availableText,
  digestText,
  entryLabel,
  isIncomplete,
  listFacts,
} from '../../../operations/inspect/list-facts.ts';

const columns = [
  { header: 'Platform' },
  { header: 'Digest' },
  { header: 'Size', align: 'right' },
  { header: 'Set' },
  { header: 'Attestations', align: 'right' },
  { header: 'Available' },
  { header: 'Problem' },
  { header: 'Source' },
] as const;

/** Formats a list as Markdown: its members, then a table of its entries. Nested lists and layers are not included. */
export function listMarkdown(view: ListView, isFull: boolean): readonly string[] {
  const facts = listFacts(view).map(([label, text]) => `- ${label}: ${label === 'size' ? text : markdownCode(text)}`);
  const annotations = Object.entries(view.annotations ?? {}).map(
    ([name, value]) => `- ${markdownCode(name)} = ${markdownCode(value)}`,
  );
  const isSparse = view.entries.some(isIncomplete);
  const table = markdownTable(
    columns,
    view.entries.map((entry) => rowOf(entry, { isFull, isSparse })),
  );
  const lines = [`### ${markdownCode(view.reference)}`, '', ...facts, ...annotations];
  return table.length === 0 ? lines : [...lines, '', ...table];
}

function rowOf(entry: EntryView, { isFull, isSparse }: Record<'isFull' | 'isSparse', boolean>): readonly string[] {
  const { imageSize, set = [], attestations, source = '', fault = '' } = entry;
  return [
    markdownCode(entryLabel(entry)),
    markdownCode(digestText(entry, isFull)),
    imageSize === undefined ? '' : byteSize(imageSize),
    markdownCode(set.join(', ')),
    attestations.length === 0 ? '' : String(attestations.length),
    isSparse ? availableText(entry) : '',
    markdownText(fault),
    markdownCode(source),
  ];
}
