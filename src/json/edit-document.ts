import { applyEdits, format, modify, type FormattingOptions } from 'jsonc-parser';

/**
 * Edits JSON files that users and other programs also write: apart from white space next to the edit, all other bytes
 * are unchanged. jsonc-parser is lenient, so the text must have been read by `readJson` without problems.
 */

/** Sets the member at a path of names. Creates missing objects on the path. */
export function setMember(text: string, path: readonly string[], value: unknown): string {
  return edit(text.trim() === '' ? '{}\n' : text, path, value);
}

/** Removes the member at a path of names. The member must exist. */
export function removeMember(text: string, path: readonly string[]): string {
  return edit(text, path, undefined);
}

/**
 * Sets or removes the member at a path.
 * @param value - the new value; undefined removes the member
 */
function edit(text: string, path: readonly string[], value: unknown): string {
  const layout = layoutOf(text);
  return modify(text, [...path], value, {}).reduce((before, change) => {
    const changed = applyEdits(before, [change]);
    if (layout === undefined) return changed;
    // The formatting of modify() would change all lines that the edit touches, so it is not used.
    const trailing = changed.slice(change.offset + change.content.length).search(/\S/) + 1;
    const range = { offset: change.offset - 1, length: 1 + change.content.length + trailing };
    return applyEdits(changed, format(changed, range, layout));
  }, text);
}

/**
 * The formatting of a document, from the indentation of its first member; undefined if that is on the first line.
 * Default: a tab, as Docker writes.
 */
function layoutOf(text: string): FormattingOptions | undefined {
  const gap = /^\s*\{(\s*)"/.exec(text)?.[1] ?? '\n\t';
  if (!gap.includes('\n')) return undefined;
  const indent = gap.slice(gap.lastIndexOf('\n') + 1);
  const insertSpaces = indent.startsWith(' ');
  return { insertSpaces, tabSize: insertSpaces ? indent.length : 1, eol: text.includes('\r\n') ? '\r\n' : '\n' };
}
