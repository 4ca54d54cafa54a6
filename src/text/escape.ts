/**
 * Characters that are escaped before text reaches a terminal: control characters, including C1, and characters that
 * are invisible or change the direction of text. Untrusted text (names, annotations, messages of registries) may
 * contain terminal escape sequences.
 */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Matches the beginning of a command that a CI system executes anywhere in a log line: `##[` (GitHub, Azure), `##vso[`
 * (Azure) and `##teamcity[`.
 */
const logCommand = /#(?=#(?:vso|teamcity)?\[)/gi;

/**
 * Matches the beginning of a GitHub command such as `::set-output`. GitHub executes it at the start of a line, even
 * after whitespace.
 */
const lineCommand = /^([^\S\n]*):(?=:)/gm;

/** Escapes unsafe characters and the matches of `logCommand`. Line breaks are kept. */
export function escapeText(text: string): string {
  return text.toWellFormed().replace(unsafe, escaped).replace(logCommand, escaped);
}

/** Like `escapeText`, but also escapes line breaks. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n');
}

/**
 * Escapes JSON text without changing its value. Unsafe characters other than JSON whitespace, and the matches of
 * `logCommand`, become JSON escapes.
 */
export function escapeJson(text: string): string {
  const isSpace = (character: string) => character === '\t' || character === '\r';
  const safe = text.replace(unsafe, (character) => (isSpace(character) ? character : escaped(character)));
  return safe.replace(logCommand, escaped);
}

/** Escapes GitHub commands at the starts of lines, in text that was already escaped by `escapeText`. */
export function escapeLineStarts(lines: string): string {
  return lines.replace(lineCommand, (_, space: string) => `${space}${escaped(':')}`);
}

function escaped(character: string): string {
  return character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
