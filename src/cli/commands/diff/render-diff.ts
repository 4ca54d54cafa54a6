import { shortDigest } from '../../../oci/digest.ts';
import { writeJson } from '../../../json/stringify.ts';
import type { Json } from '../../../json/json.ts';
import type { EntryDifference, MemberChange } from '../../../oci/list-diff.ts';
import type { Compared, DiffSide } from '../../../operations/diff/diff.ts';
import type { Output, Span } from '../../output/output.ts';

/** Prints a comparison, in the order of the new list: removals in red, additions in green. */
export function renderDiff({ before, after, verdict, list, entries }: Compared, output: Output): void {
  output.line(['--- ', 'red'], describeSide(before));
  output.line(['+++ ', 'green'], describeSide(after));
  if (verdict === 'same') return output.line('identical, byte for byte');
  if (verdict === 'equal') output.line('equal content, but different bytes and digests');
  for (const change of list) renderMember('', change, output);
  for (const entry of entries) renderEntry(entry, output);
}

function describeSide({ reference, from, digest }: DiffSide): string {
  return digest === undefined ? `${reference} (does not exist)` : `${reference} (${from}, ${digest})`;
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
  output.line(indent, [member, 'cyan'], ': ', [formatValue(before), 'red'], ' -> ', [formatValue(after), 'green']);
}

/** Formats the value of a member: a string without quotes, any other value as JSON, and undefined as `(none)`. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return '(none)';
  return typeof value === 'string' ? value : writeJson(value);
}
