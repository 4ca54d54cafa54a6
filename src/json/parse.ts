import { MAX_PROBLEMS, type Problem } from '../errors/errors.ts';
import { pointerTo } from './pointer.ts';
import { defineMember, inSourceOrder, JsonNumber, type Json, type JsonObject } from './json.ts';

export interface JsonLimits {
  /** Maximum size in bytes. Default: 4 MiB, the manifest size limit of registries (docs/rules.md, E-SIZE4M). */
  readonly maxBytes?: number | undefined;
  /** Maximum number of values, including objects and arrays. Default: 250 000, more than any list of 4 MiB has. */
  readonly maxValues?: number | undefined;
}

export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_VALUES = 250_000;
const MAX_DEPTH = 100;

/** The result of parsing. If there are problems (E-JSON or E-SIZE4M), the value is absent or must not be used. */
export interface JsonReading {
  readonly value?: Json;
  /** Number of parsed values, including objects and arrays. */
  readonly values: number;
  readonly problems: readonly Problem[];
}

/**
 * Parses one JSON value. Rejects duplicate keys, invalid UTF-8, a byte order mark and unpaired surrogates, because Go
 * parses them differently from JavaScript, and most registries are written in Go. Never throws: errors are returned in
 * `problems`.
 */
export function readJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonReading {
  const maxBytes = limits.maxBytes ?? MAX_DOCUMENT_BYTES;
  if (bytes.length > maxBytes) {
    return {
      values: 0,
      problems: [problem('E-SIZE4M', '', `the document has ${bytes.length} bytes, but the limit is ${maxBytes}`)],
    };
  }
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    return { values: 0, problems: [problem('E-JSON', '', 'it begins with a byte order mark')] };
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { values: 0, problems: [problem('E-JSON', '', 'it is not valid UTF-8')] };
  }
  return new Reader(text, limits.maxValues ?? MAX_VALUES).read();
}

function problem(rule: string, pointer: string, message: string): Problem {
  return { rule, severity: 'error', pointer, message };
}

class SyntaxProblem extends Error {}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const plainString = /[^"\\\u0000-\u001f]*/y;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Reader {
  readonly #text: string;
  readonly #problems: Problem[] = [];
  readonly #path: (string | number)[] = [];
  readonly #maxValues: number;
  #values = 0;
  #at = 0;

  constructor(text: string, maxValues: number) {
    this.#text = text;
    this.#maxValues = maxValues;
  }

  read(): JsonReading {
    try {
      const value = this.#value();
      if (this.#at < this.#text.length) this.#fail('unexpected text after the JSON value');
      return { value, values: this.#values, problems: this.#problems };
    } catch (thrown) {
      if (!(thrown instanceof SyntaxProblem)) throw thrown;
      return {
        values: this.#values,
        problems: [...this.#problems, problem('E-JSON', this.#pointer(), thrown.message)],
      };
    }
  }

  /** Parses a value and the whitespace around it. */
  #value(): Json {
    if (++this.#values > this.#maxValues) throw new SyntaxProblem(`it has more than ${this.#maxValues} values`);
    this.#skipSpace();
    const value = this.#bareValue();
    this.#skipSpace();
    return value;
  }

  #bareValue(): Json {
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#literal('true', true);
      case 'f':
        return this.#literal('false', false);
      case 'n':
        return this.#literal('null', null);
      default:
        return this.#number();
    }
  }

  /** Skips an opening bracket and the whitespace after it. */
  #enter(): void {
    if (this.#path.length >= MAX_DEPTH) throw new SyntaxProblem(`it is nested deeper than ${MAX_DEPTH} levels`);
    this.#at += 1;
    this.#skipSpace();
  }

  #object(): JsonObject {
    const object: Record<string, Json> = {};
    const order: string[] = [];
    this.#enter();
    if (this.#skip('}')) return object;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') this.#fail('expected a member name');
      const name = this.#string();
      this.#skipSpace();
      if (!this.#skip(':')) this.#fail('expected ":"');
      this.#path.push(name);
      if (Object.hasOwn(object, name)) this.#report('duplicate member');
      else order.push(name);
      defineMember(object, name, this.#value());
      this.#path.pop();
    } while (this.#skip(','));
    if (!this.#skip('}')) this.#fail('expected "," or "}"');
    return inSourceOrder(object, order);
  }

  #array(): readonly Json[] {
    const array: Json[] = [];
    this.#enter();
    if (this.#skip(']')) return array;
    do {
      this.#path.push(array.length);
      array.push(this.#value());
      this.#path.pop();
    } while (this.#skip(','));
    if (!this.#skip(']')) this.#fail('expected "," or "]"');
    return array;
  }

  #string(): string {
    this.#at += 1;
    let value = this.#match(plainString);
    let escaped = false;
    while (!this.#skip('"')) {
      if (!this.#skip('\\'))
        this.#fail(this.#at < this.#text.length ? 'unescaped control character' : 'unterminated string');
      escaped = true;
      value += this.#escape() + this.#match(plainString);
    }
    if (escaped && !value.isWellFormed()) this.#fail('unpaired surrogate escape');
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? '';
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at + 1, this.#at + 5);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail('"\\u" must be followed by four hex digits');
      this.#at += 5;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
    if (character === undefined) return this.#fail('unknown escape sequence');
    this.#at += 1;
    return character;
  }

  #literal<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('expected a JSON value');
    this.#at += word.length;
    return value;
  }

  #number(): number | JsonNumber {
    const lexeme = this.#match(number);
    if (lexeme === '')
      this.#fail(this.#at < this.#text.length ? 'expected a JSON value' : 'unexpected end of the document');
    const value = Number(lexeme);
    return String(value) === lexeme ? value : new JsonNumber(lexeme);
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  /** Returns the text that matches at the current position, and skips it. */
  #match(sticky: RegExp): string {
    const start = this.#at;
    sticky.lastIndex = start;
    // `test` is used because `exec` would create an array for each string.
    if (sticky.test(this.#text)) this.#at = sticky.lastIndex;
    return this.#text.slice(start, this.#at);
  }

  #fail(message: string): never {
    throw new SyntaxProblem(`${message} at character ${this.#at + 1}`);
  }

  #report(message: string): void {
    if (this.#problems.length >= MAX_PROBLEMS) throw new SyntaxProblem('there are too many problems to list');
    this.#problems.push(problem('E-JSON', this.#pointer(), message));
  }

  #pointer(): string {
    return pointerTo(...this.#path);
  }
}
