/**
 * Characters that are escaped before text reaches a terminal: control characters, including C1, and bidirectional
 * formatting characters. Untrusted text (names, annotations, messages of registries) may contain terminal escape
 * sequences.
 */
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * The beginnings of commands that CI systems execute anywhere in a log line: GitHub and Azure (`##[`, `##vso[`),
 * TeamCity.
 */
const logCommand = /#(?=#(?:vso|teamcity)?\[)/gi;

/**
 * The beginning of a GitHub command, which is executed at the start of a line (`::set-output`), also after white space.
 */
const lineCommand = /^([^\S\n]*):(?=:)/gm;

/** Escapes text that may have several lines. Line breaks are kept. */
export function escapeText(text: string): string {
  return text.toWellFormed().replace(unsafe, escaped).replace(logCommand, escaped);
}

/** Escapes text as one line, including its line breaks. */
export function escapeLine(text: string): string {
  return escapeText(text).replaceAll('\n', '\\n');
}

/** Escapes JSON text without changing its value: white space is kept, other unsafe characters become JSON escapes. */
export function escapeJson(text: string): string {
  const isSpace = (character: string) => character === '\t' || character === '\r';
  const safe = text.replace(unsafe, (character) => (isSpace(character) ? character : escaped(character)));
  return safe.replace(logCommand, escaped);
}

/** Escapes CI commands at the start of lines in text that is already escaped. */
export function escapeLineStarts(lines: string): string {
  return lines.replace(lineCommand, (_, space: string) => `${space}${escaped(':')}`);
}

function escaped(character: string): string {
  return character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
