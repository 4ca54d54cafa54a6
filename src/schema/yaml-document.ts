import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';

/** A parsed YAML document. This file must not import the types of `yaml`, which users of the library do not install. */

/** A position in a file. `line` and `column` start at 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type PlacedProblem = Problem & Place;

/** The value of a document and the positions of its parts. Aliases and merge keys (`<<`) are resolved. */
export interface YamlReading {
  /** The value of the document; undefined if there are problems. */
  readonly value: Json | undefined;
  readonly problems: readonly PlacedProblem[];
  /** Number of values in the document, with aliases expanded. */
  readonly values: number;
  /**
   * The position of the value at a JSON pointer; the position of its key if `part` is `name` or the value has no text.
   */
  placeOf(pointer: string, part?: 'name' | 'value'): Place;
  /** The source text of a number, a boolean or null; undefined for other values. */
  sourceOf(pointer: string): string | undefined;
  /**
   * The names of the values in the text at a JSON pointer (placeholder-values.ts); empty for a text without
   * placeholders.
   */
  valuesAt(pointer: string): readonly string[];
}

/** One document of a file, with its value or its problems. */
export interface YamlDocument {
  readonly place: Place;
  /** The result of parsing; undefined if the document has syntax errors. */
  readonly reading?: YamlReading;
  readonly problems: readonly PlacedProblem[];
}
