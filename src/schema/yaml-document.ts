import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';

/**
 * This file contains the types for parsed YAML documents. It must not import the types of `yaml`, which users of the
 * library do not install.
 */

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
   * Returns the position of the value at a JSON pointer or, if it is missing, of its innermost existing parent. Returns
   * the position of the key instead if `part` is `name`, or if the value is empty in the source.
   */
  placeOf(pointer: string, part?: 'name' | 'value'): Place;
  /** Returns the source text of the number, boolean or null at a JSON pointer, or undefined for other values. */
  sourceOf(pointer: string): string | undefined;
  /**
   * Returns the names of the values that replaced placeholders in the string at a JSON pointer (placeholder-values.ts).
   * The result is empty for a string without placeholders.
   */
  valuesAt(pointer: string): readonly string[];
}

/** One document of a file, with its value or its problems. */
export interface YamlDocument {
  readonly place: Place;
  /** The result of parsing; undefined if the document cannot be parsed. */
  readonly reading?: YamlReading;
  readonly problems: readonly PlacedProblem[];
}
