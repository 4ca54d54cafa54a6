import { shortDigest } from '../oci/digest.ts';
import { writeJson } from '../oci/json-write.ts';
import type { Json } from '../oci/json.ts';
import type { EntryDifference, MemberChange } from '../oci/list-diff.ts';
import type { Compared, DiffSide } from '../ops/diff.ts';
import type { Output, Span } from './output.ts';

/** A comparison for people: what goes in red, what comes in green, in the order of the new list. */
export function renderDiff({ before, after, verdict, list, entries }: Compared, output: Output): void {
  output.line(['--- ', 'red'], describeSide(before));
  output.line(['+++ ', 'green'], describeSide(after));
  if (verdict === 'same') return output.line('the same, to the byte');
  if (verdict === 'equal') output.line('the same content in other bytes: a push changes the digest');
  for (const change of list) renderMember('', change, output);
  for (const entry of entries) renderEntry(entry, output);
}

function describeSide({ reference, from, digest }: DiffSide): string {
  return digest === undefined ? `${reference} (nothing there)` : `${reference} (${from}, ${digest})`;
}

const marks: Readonly<Record<EntryDifference['type'], Span>> = {
  added: ['+ ', 'green'],
  removed: ['- ', 'red'],
  changed: ['~ ', 'yellow'],
  moved: ['> ', 'cyan'],
  same: ['  ', 'dim'],
};

function renderEntry(entry: EntryDifference, output: Output): void {
  const { digest } = entry.type === 'removed' ? entry.before : entry.after;
  output.line(
    marks[entry.type],
    [entry.name, 'bold'],
    `  ${shortDigest(digest)}${entry.type === 'moved' ? '  moved' : ''}`,
  );
  if (entry.type === 'changed') for (const change of entry.changes) renderMember('    ', change, output);
}

function renderMember(indent: string, { member, before, after }: MemberChange, output: Output): void {
  output.line(indent, [member, 'cyan'], ': ', [shown(before), 'red'], ' -> ', [shown(after), 'green']);
}

function shown(value: Json | undefined): string {
  if (value === undefined) return '(none)';
  return typeof value === 'string' ? value : writeJson(value);
}
