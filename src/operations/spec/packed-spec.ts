import type { ListSpec, SpecDocument } from './spec.ts';
import { parseSpec, type SpecParsing } from './parse-spec.ts';

/**
 * A spec that was understood, kept as its JSON: a run of thousands holds about the bytes that they have, and each is
 * understood again when it is its turn.
 */
export interface PackedSpec {
  readonly json: string;
}

export function packSpec(document: SpecDocument): PackedSpec {
  return { json: JSON.stringify(document) };
}

/** @param parsing - that with which it was understood before */
export function unpackSpec({ json }: PackedSpec, parsing: SpecParsing): ListSpec {
  const parsed = parseSpec(JSON.parse(json) as SpecDocument, parsing);
  if ('spec' in parsed) return parsed.spec;
  throw new Error(`a spec is not what it was: ${json}`);
}
