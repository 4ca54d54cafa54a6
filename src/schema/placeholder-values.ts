import { closestMatch } from '../text/closest-match.ts';

/** This file replaces placeholders, such as `${NAME}`, in the strings of YAML and JSON documents. */

export interface GivenValue {
  readonly text: string;
  /** Whether messages about the document must not contain the value. */
  readonly isSecret: boolean;
}

/** A `${` that cannot be replaced. `at` is its index among the matches of `placeholder`. */
export interface PlaceholderFault {
  readonly at: number;
  readonly message: string;
}

export interface Filled {
  /** The string after replacement. It is incomplete if `length` exceeds `MAX_FILLED`. */
  readonly text: string;
  /** The length of the string before replacement, plus the lengths of the values. */
  readonly length: number;
  /** The names of the inserted values. */
  readonly names: readonly string[];
  readonly faults: readonly PlaceholderFault[];
}

/** Matches `$$`, which stands for `$`, and `${…}`, even if the closing brace is missing. */
export const placeholder = /\$(?:\$|\{[^{}]*\}?)/g;

/** Maximum number of characters, after replacement, in all strings of a document that have placeholders. */
export const MAX_FILLED = 16 * 1024 * 1024;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether a value can have this name: a letter or `_`, then letters, digits and `_`. */
export function isValueName(name: string): boolean {
  return NAME.test(name);
}

export class PlaceholderValues {
  readonly #values: ReadonlyMap<string, GivenValue>;
  readonly #used = new Set<string>();

  /** @param values - the values, keyed by name. A placeholder with another name is an error */
  constructor(values: ReadonlyMap<string, GivenValue>) {
    this.#values = values;
  }

  /** The names of the values that have not been inserted so far. */
  get unused(): readonly string[] {
    return [...this.#values.keys()].filter((name) => !this.#used.has(name));
  }

  /** The names and values of secrets. Messages must not contain the values. */
  get secrets(): readonly (readonly [name: string, value: string])[] {
    return [...this.#values].flatMap(([name, { text, isSecret }]) => (isSecret ? [[name, text] as const] : []));
  }

  textOf(name: string): string {
    return this.#values.get(name)?.text ?? '';
  }

  /** Replaces each `${NAME}` with its value, and `$$` with `$`. Values are not searched for placeholders. */
  fill(text: string): Filled {
    const names: string[] = [];
    const faults: PlaceholderFault[] = [];
    let [at, length] = [-1, text.length];
    const filled = text.replace(placeholder, (match) => {
      at += 1;
      if (match === '$$') return '$';
      const name = match.slice(2, -1);
      const value = match.endsWith('}') ? this.#values.get(name) : undefined;
      if (value === undefined) {
        faults.push({ at, message: this.#faultOf(match) });
        return match;
      }
      names.push(name);
      this.#used.add(name);
      length += value.text.length;
      return length > MAX_FILLED ? '' : value.text;
    });
    return { text: filled, length, names, faults };
  }

  #faultOf(match: string): string {
    const name = match.slice(2, -1);
    if (!match.endsWith('}') || !isValueName(name)) {
      return `invalid placeholder ${JSON.stringify(match.slice(0, 80))}: write \${NAME} to insert a value, or $\${ for a literal \${`;
    }
    const similar = closestMatch(name, [...this.#values.keys()]);
    const question = similar === undefined ? '' : `: did you mean \${${similar}}?`;
    return `there is no value for \${${name}}${question}`;
  }
}
