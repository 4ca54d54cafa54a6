import type { DraftSummary } from '../../../operations/drafts/drafts.ts';
import { wrapWords } from '../../../text/wrap-words.ts';
import type { Output } from '../../output/output.ts';
import { formatReference } from '../../../oci/reference.ts';
import { escapeLine } from '../../../text/escape.ts';

/** Prints the drafts in columns: a mark for the current draft, the list, the format, the platforms. */
export function renderDrafts(drafts: readonly DraftSummary[], output: Output): void {
  // Control characters are escaped before the width is measured, so that the columns align.
  const names = drafts.map((draft) => ('damaged' in draft ? draft.name : formatReference(draft.list))).map(escapeLine);
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const [at, draft] of drafts.entries()) renderDraft(draft, (names[at] ?? '').padEnd(width), output);
}

const MARK_WIDTH = 2;
const FORMAT_WIDTH = 'docker'.length;
const GAP = '  ';
/** The platforms are printed beside the name if at least this many columns remain, otherwise below it. */
const MIN_WIDTH = 24;
const INDENT = 4;

function renderDraft(draft: DraftSummary, name: string, output: Output): void {
  if ('damaged' in draft) return output.line(['! ', 'red'], name, GAP, ['damaged', 'red']);
  const before = MARK_WIDTH + name.length + GAP.length + FORMAT_WIDTH + GAP.length;
  const { terminalWidth = Number.POSITIVE_INFINITY } = output;
  const isBeside = terminalWidth - before >= MIN_WIDTH;
  const indent = isBeside ? before : INDENT;
  const lines = wrapWords(draft.platforms.map(escapeLine), terminalWidth - indent);
  const head = isBeside ? (lines.shift() ?? '-') : '';
  output.line(
    draft.current ? ['* ', 'green'] : ' '.repeat(MARK_WIDTH),
    [name, 'bold'],
    `${GAP}${draft.format.padEnd(FORMAT_WIDTH)}${GAP}${head}`.trimEnd(),
  );
  for (const line of lines) output.line(`${' '.repeat(indent)}${line}`);
}
