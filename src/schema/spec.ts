import type { Problem } from '../errors.ts';
import type { Json } from '../oci/json.ts';
import { checkSchema } from './check.ts';
import * as all from './compiled/specs-all.ts';
import * as first from './compiled/specs-first.ts';

/** What `apply` reads: mlist's own spec of a list, and manifest-tool's. */

/** @param size - number of values in the document */
export function checkSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: first.spec, all: all.spec }, value, size).map(asSpecProblem);
}

export function checkManifestToolSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: first.manifestTool, all: all.manifestTool }, value, size).map(asSpecProblem);
}

function asSpecProblem(problem: Problem): Problem {
  return { ...problem, rule: 'E-SPEC' };
}
