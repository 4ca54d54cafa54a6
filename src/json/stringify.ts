import { JsonNumber, memberNames, type Json } from './json.ts';

export interface WriteJsonOptions {
  /** The indentation of each level. If undefined, the JSON is compact: it contains no whitespace. */
  readonly indent?: string | undefined;
  /** Whether to escape `<`, `>`, `&`, U+2028 and U+2029, as Go's encoding/json does by default. Default false. */
  readonly goEscapes?: boolean | undefined;
}

/**
 * Formats a value as JSON. Members keep their source order, and numbers keep their spelling. Members that are
 * `undefined` are omitted.
 */
export function writeJson(value: Json | object, options: WriteJsonOptions = {}): string {
  return write(value as Json, options, '\n');
}

function write(value: Json, options: WriteJsonOptions, line: string): string {
  if (typeof value === 'string') return writeString(value, options.goEscapes ?? false);
  if (value === null || typeof value !== 'object') return String(value);
  if (value instanceof JsonNumber) return value.lexeme;
  const inner = options.indent === undefined ? '' : line + options.indent;
  const outer = options.indent === undefined ? '' : line;
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((item) => inner + write(item, options, inner));
    return items.length === 0 ? '[]' : `[${items.join(',')}${outer}]`;
  }
  const object = value as Readonly<Record<string, Json | undefined>>;
  const colon = options.indent === undefined ? ':' : ': ';
  const members = memberNames(object).flatMap((name) => {
    const member = object[name];
    return member === undefined
      ? []
      : [inner + writeString(name, options.goEscapes ?? false) + colon + write(member, options, inner)];
  });
  return members.length === 0 ? '{}' : `{${members.join(',')}${outer}}`;
}

/**
 * Writes a string as Go 1.22 and newer do (encoding/json appendString): `\b`, `\f`, `\n`, `\r` and `\t` are short
 * escapes, other control characters are `\u00xx`, DEL is not escaped, and unpaired surrogates become `\ufffd`.
 */
function writeString(text: string, goEscapes: boolean): string {
  const json = text.isWellFormed()
    ? JSON.stringify(text)
    : `"${text.split(loneSurrogate).map(escaped).join('\\ufffd')}"`;
  if (!goEscapes) return json;
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
