import { shortDigest } from '../../../oci/digest.ts';
import type { EntryDifference, MemberChange } from '../../../oci/list-diff.ts';
import type { Compared, DiffSide } from '../../../operations/diff/diff.ts';
import { markdownCode, markdownTable } from '../../../text/markdown.ts';
import { formatValue } from './render-diff.ts';

/**
 * Formats a comparison as Markdown: both sides, a summary, the changed members of the list, and a table of the changed
 * entries.
 */
export function diffMarkdown({ before, after, verdict, list, entries }: Compared): readonly string[] {
  const heading = [
    `### ${markdownCode(after.reference)}`,
    '',
    `- before: ${describeSide(before)}`,
    `- after: ${describeSide(after)}`,
    '',
    verdictText(verdict, entries),
  ];
  if (verdict === 'same') return heading;
  const members = list.map((change) => `- ${changeText(change)}`);
  const changed = entries.filter(({ type }) => type !== 'same');
  const table = markdownTable(
    [{ header: 'Entry' }, { header: 'Change' }, { header: 'Before' }, { header: 'After' }, { header: 'Members' }],
    changed.map(rowOf),
  );
  return [...heading, ...(members.length === 0 ? [] : ['', ...members]), ...(table.length === 0 ? [] : ['', ...table])];
}

function describeSide({ reference, from, digest }: DiffSide): string {
  const name = markdownCode(reference);
  return digest === undefined ? `${name} (does not exist)` : `${name} (${from}), ${markdownCode(digest)}`;
}

function verdictText(verdict: Compared['verdict'], entries: readonly EntryDifference[]): string {
  if (verdict === 'same') return 'Identical, byte for byte.';
  if (verdict === 'equal') return 'Equal content, but different bytes and digests.';
  const counts = (['added', 'changed', 'removed', 'moved'] as const).flatMap((type) => {
    const count = entries.filter((entry) => entry.type === type).length;
    return count === 0 ? [] : [`${count} ${type}`];
  });
  const same = entries.filter(({ type }) => type === 'same').length;
  return `${[...counts, `${same} unchanged`].join(', ')}.`;
}

function rowOf(entry: EntryDifference): readonly string[] {
  const before = entry.type === 'added' ? '' : markdownCode(shortDigest(entry.before.digest));
  const after = entry.type === 'removed' ? '' : markdownCode(shortDigest(entry.after.digest));
  // The digest is omitted, because the columns "Before" and "After" contain it.
  const members = 'changes' in entry ? entry.changes.filter(({ member }) => member !== 'digest') : [];
  return [markdownCode(entry.name), entry.type, before, after, members.map(changeText).join('<br>')];
}

function changeText({ member, before, after }: MemberChange): string {
  return `${markdownCode(member)}: ${markdownCode(formatValue(before))} → ${markdownCode(formatValue(after))}`;
}
