import { invalidConfiguration } from './mirror-endpoint.ts';

/** A TOML table. Its members are in the order of the file. */
export type TomlTable = Readonly<Record<string, unknown>>;

/**
 * Parses a TOML file. smol-toml is loaded when the first file is parsed. No other module may import it, because this
 * would load it earlier.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if the syntax is invalid; the message contains the line number, but no
 * text of the file
 */
export async function parseToml(text: string, path: string): Promise<TomlTable> {
  const { parse, TomlError } = await import('smol-toml');
  try {
    return parse(text);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    // The message continues with lines that quote the file, so only its first line is used.
    const [reason = ''] = thrown.message.split('\n');
    throw invalidConfiguration(path, thrown.line, reason.replace(/^Invalid TOML document: /, 'invalid TOML: '));
  }
}

/** Reads the members of a table, and checks their types. */
export class TableReader {
  readonly #table: TomlTable;
  readonly #fail: (reason: string) => Error;

  /** @param fail - creates the error for a member of the wrong type */
  constructor(table: TomlTable, fail: (reason: string) => Error) {
    this.#table = table;
    this.#fail = fail;
  }

  get names(): readonly string[] {
    return Object.keys(this.#table);
  }

  has(name: string): boolean {
    return this.#table[name] !== undefined;
  }

  text(name: string): string | undefined {
    const value = this.#table[name];
    if (value === undefined || typeof value === 'string') return value;
    throw this.#fail(`${name} must be a string`);
  }

  flag(name: string): boolean {
    const value = this.#table[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw this.#fail(`${name} must be true or false`);
  }

  /** Returns the member as an array of strings. A single string is returned as an array with one item. */
  texts(name: string): readonly string[] {
    const value = this.#table[name] ?? [];
    const all: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (all.every((item) => typeof item === 'string')) return all;
    throw this.#fail(`${name} must be a string or an array of strings`);
  }

  value(name: string): unknown {
    return this.#table[name];
  }

  table(name: string): TomlTable {
    const value = this.#table[name] ?? {};
    if (isTable(value)) return value;
    throw this.#fail(`${name} must be a table`);
  }

  tables(name: string): readonly TomlTable[] {
    const value = this.#table[name] ?? [];
    if (Array.isArray(value) && value.every(isTable)) return value;
    throw this.#fail(`${name} must be an array of tables`);
  }
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Returns the numbers of the lines that match a pattern, such as the headers of tables. The first line is 1. */
export function linesOf(text: string, pattern: RegExp): readonly number[] {
  return text.split('\n').flatMap((line, at) => (pattern.test(line) ? [at + 1] : []));
}
