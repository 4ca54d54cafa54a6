import { formatReference } from '../oci/reference.ts';
import type { ListSpec, SpecDocument } from './spec.ts';
import { parseSpec, type SpecParsing } from './spec-parse.ts';

/**
 * A spec that was understood, kept as its text: a run of thousands holds about the bytes that they have, and each is
 * understood again when it is its turn.
 */
export class PackedSpec {
  /** Canonical reference of the list. */
  readonly name: string;
  readonly #text: string;
  readonly #parsing: SpecParsing;

  constructor(document: SpecDocument, { list }: ListSpec, parsing: SpecParsing) {
    this.name = formatReference(list);
    this.#text = JSON.stringify(document);
    this.#parsing = parsing;
  }

  read(): ListSpec {
    const parsed = parseSpec(JSON.parse(this.#text) as SpecDocument, this.#parsing);
    if ('spec' in parsed) return parsed.spec;
    throw new Error(`the spec of ${this.name} is not what it was`);
  }
}
