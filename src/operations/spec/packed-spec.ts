import type { ListSpec, SpecDocument } from './spec.ts';
import { parseSpec, type SpecParsing } from './parse-spec.ts';

/**
 * A valid spec as JSON, which needs less memory than a parsed spec. This matters in runs of thousands of lists. The
 * spec is parsed again when its list is applied.
 */
export interface PackedSpec {
  readonly json: string;
}

export function packSpec(document: SpecDocument): PackedSpec {
  return { json: JSON.stringify(document) };
}

/**
 * Parses a packed spec again.
 * @param parsing - the same options as when the spec was read
 */
export function unpackSpec({ json }: PackedSpec, parsing: SpecParsing): ListSpec {
  const parsed = parseSpec(JSON.parse(json) as SpecDocument, parsing);
  if ('spec' in parsed) return parsed.spec;
  throw new Error('a spec that was valid when it was read is now invalid');
}
