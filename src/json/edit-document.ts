import { applyEdits, format, modify, type FormattingOptions } from 'jsonc-parser';

/**
 * This module edits JSON files that users and other programs also write. It changes only the edited member and the
 * whitespace next to it. Callers must first check the text with `readJson`, because jsonc-parser accepts invalid JSON.
 */

/** Sets the member at a path of member names. Creates the missing objects on the path. */
export function setMember(text: string, path: readonly string[], value: unknown): string {
  return edit(text.trim() === '' ? '{}\n' : text, path, value);
}

/** Removes the member at a path of member names. The member must exist. */
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
 * Returns the formatting of a document, according to the indentation of its first member. Returns undefined if that
 * member is on the same line as the opening brace. A document without members gets tabs, as Docker writes them.
 */
function layoutOf(text: string): FormattingOptions | undefined {
  const gap = /^\s*\{(\s*)"/.exec(text)?.[1] ?? '\n\t';
  if (!gap.includes('\n')) return undefined;
  const indent = gap.slice(gap.lastIndexOf('\n') + 1);
  const insertSpaces = indent.startsWith(' ');
  return { insertSpaces, tabSize: insertSpaces ? indent.length : 1, eol: text.includes('\r\n') ? '\r\n' : '\n' };
}
