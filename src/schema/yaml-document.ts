import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';

/** What is known of a YAML document once it is read. The package `yaml` is not named here: users of the library have none. */

/** A place in a file, both counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type PlacedProblem = Problem & Place;

/** A document as a value, with the place of each part of it. Aliases and merge keys (`<<`) are resolved. */
export interface YamlReading {
  /** Undefined where there are problems. */
  readonly value: Json | undefined;
  readonly problems: readonly PlacedProblem[];
  /** How many values the document has, aliases written out. */
  readonly values: number;
  /** The place of the value that a JSON pointer names; of its name where `part` asks for that, or it has no text. */
  placeOf(pointer: string, part?: 'name' | 'value'): Place;
  /** A number, a boolean or null as it is written; undefined for anything else. */
  sourceOf(pointer: string): string | undefined;
}

/** One document of a file: what it says, or what is wrong with it. */
export interface YamlDocument {
  readonly place: Place;
  /** Undefined where the text cannot be read. */
  readonly reading?: YamlReading;
  readonly problems: readonly PlacedProblem[];
}
