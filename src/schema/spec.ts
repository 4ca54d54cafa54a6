import type { Problem } from '../errors.ts';
import type { Json } from '../oci/json.ts';
import { checkSchema } from './check.ts';
import manifestToolAll from './compiled/manifest-tool-all.ts';
import manifestToolFirst from './compiled/manifest-tool-first.ts';
import specAll from './compiled/spec-all.ts';
import specFirst from './compiled/spec-first.ts';

/** What `apply` reads: mlist's own spec of a list, and manifest-tool's. */

/** @param size - number of values in the document */
export function checkSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: specFirst, all: specAll }, value, size).map(asSpecProblem);
}

export function checkManifestToolSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: manifestToolFirst, all: manifestToolAll }, value, size).map(asSpecProblem);
}

function asSpecProblem(problem: Problem): Problem {
  return { ...problem, rule: 'E-SPEC' };
}
