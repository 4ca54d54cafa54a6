/**
 * Text from elsewhere (names, annotations, what a registry says) may hold escape sequences. Nothing of it reaches a
 * terminal raw: control characters, also those of C1, and characters that turn the direction of writing are written out.
 */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line or several: line breaks stay. */
export function escapeText(text: string): string {
  return text.toWellFormed().replace(unsafe, escaped);
}

/** One line: line breaks are written out too. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n');
}

/** JSON text stays the same JSON: its own white space is kept, the rest is escaped as JSON does. */
export function escapeJson(text: string): string {
  return text.replace(unsafe, (character) =>
    character === '\t' || character === '\r' ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
