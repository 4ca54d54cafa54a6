/**
 * Untrusted text (names, annotations, messages of registries) may contain terminal escape sequences. Control characters,
 * including C1, and bidirectional formatting characters are therefore escaped before they reach a terminal.
 */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Commands that CI systems execute wherever they occur in a log: GitHub and Azure (`##[`, `##vso[`), TeamCity. */
const logCommand = /#(?=#(?:vso|teamcity)?\[)/gi;

/** Commands of GitHub that begin a line (`::set-output`). White space before them is ignored. */
const lineCommand = /^([^\S\n]*):(?=:)/gm;

/** Escapes text that may have several lines. Line breaks are kept. */
export function escapeText(text: string): string {
  return text.toWellFormed().replace(unsafe, escaped).replace(logCommand, escaped);
}

/** Escapes text as one line, including its line breaks. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n');
}

/** Escapes JSON text without changing its value: white space is kept, other characters get JSON escapes. */
export function escapeJson(text: string): string {
  const isSpace = (character: string) => character === '\t' || character === '\r';
  const safe = text.replace(unsafe, (character) => (isSpace(character) ? character : escaped(character)));
  return safe.replace(logCommand, escaped);
}

/** Escapes the commands with which complete lines of escaped text begin, since CI systems execute them in a log. */
export function escapeLineStarts(lines: string): string {
  return lines.replace(lineCommand, (_, space: string) => `${space}${escaped(':')}`);
}

function escaped(character: string): string {
  return character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
