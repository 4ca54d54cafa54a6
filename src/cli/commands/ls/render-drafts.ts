import type { DraftSummary } from '../../../operations/drafts/drafts.ts';
import type { Output } from '../../output/output.ts';
import { formatReference } from '../../../oci/reference.ts';
import { escapeLine } from '../../../text/escape.ts';

/** Drafts for people, in columns: whether it is the current one, its list, its format, its platforms. */
export function renderDrafts(drafts: readonly DraftSummary[], output: Output): void {
  // Written out before it is measured, so that the columns stay.
  const names = drafts.map((draft) => ('damaged' in draft ? draft.name : formatReference(draft.list))).map(escapeLine);
  const width = Math.max(0, ...names.map((name) => name.length));
  for (const [at, draft] of drafts.entries()) renderDraft(draft, (names[at] ?? '').padEnd(width), output);
}

const MARK = 2;
const FORMAT = 'docker'.length;
const GAP = '  ';
/** Fewer columns than this hold no platform: the platforms then stand under the name. */
const NARROW = 24;
const INDENT = 4;

function renderDraft(draft: DraftSummary, name: string, output: Output): void {
  if ('damaged' in draft) return output.line(['! ', 'red'], name, GAP, ['damaged', 'red']);
  const before = MARK + name.length + GAP.length + FORMAT + GAP.length;
  const { terminalWidth = Number.POSITIVE_INFINITY } = output;
  const isBeside = terminalWidth - before >= NARROW;
  const indent = isBeside ? before : INDENT;
  const lines = wrapped(draft.platforms.map(escapeLine), terminalWidth - indent);
  const head = isBeside ? (lines.shift() ?? '-') : '';
  output.line(
    draft.current ? ['* ', 'green'] : ' '.repeat(MARK),
    [name, 'bold'],
    `${GAP}${draft.format.padEnd(FORMAT)}${GAP}${head}`.trimEnd(),
  );
  for (const line of lines) output.line(`${' '.repeat(indent)}${line}`);
}

/** Words in lines of at most so many columns; a word that is longer has a line of its own. */
function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
