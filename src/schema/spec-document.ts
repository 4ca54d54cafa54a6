import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';
import { closestMatch } from '../text/closest-match.ts';
import { checkSchema, UNKNOWN_MEMBER } from './validator.ts';
import * as all from './compiled/specs-all.ts';
import * as first from './compiled/specs-first.ts';

/** What `apply` reads: mlist's own spec of a list, and manifest-tool's. */

/** @param size - number of values in the document */
export function checkSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: first.spec, all: all.spec }, value, size).map(asSpecProblem).map(withSuggestion);
}

export function checkManifestToolSpec(value: Json, size: number): readonly Problem[] {
  return checkSchema({ first: first.manifestTool, all: all.manifestTool }, value, size).map(asSpecProblem);
}

function asSpecProblem(problem: Problem): Problem {
  return { ...problem, rule: 'E-SPEC' };
}

const PLATFORM = ['os', 'architecture', 'variant', 'os.version', 'os.features'];

/** The members of a spec, by the place of the object that they belong to. */
const members: readonly (readonly [place: RegExp, names: readonly string[]])[] = [
  [
    /^$/,
    [
      ...['list', 'tags', 'copy', 'format', 'annotations', 'artifactType', 'subject', 'platforms', 'manifests'],
      ...['attestations', 'missing', 'ignoreMissing', 'expect', 'allowDuplicates'],
    ],
  ],
  [
    /^\/manifests\/\d+$/,
    [
      ...['image', 'platform', 'platforms', 'annotations', 'artifactType', 'attestations', 'mediaType', 'size', 'urls'],
      'data',
    ],
  ],
  [/^\/manifests\/\d+\/platform$/, PLATFORM],
  [/^\/ignoreMissing$/, ['minimum']],
];

/** What members of a spec are called in other tools' files. */
const otherNames = new Map([
  ['images', 'manifests'],
  ['sources', 'manifests'],
  ['name', 'list'],
  ['source', 'image'],
  ['arch', 'architecture'],
]);

/** Adds to an unknown member the one that was probably meant. */
function withSuggestion(problem: Problem): Problem {
  if (problem.message !== UNKNOWN_MEMBER) return problem;
  const steps = problem.pointer.split('/');
  const name = steps.pop() ?? '';
  const known = members.find(([place]) => place.test(steps.join('/')))?.[1] ?? [];
  const other = otherNames.get(name) ?? '';
  const meant = known.includes(other) ? other : closestMatch(name, known);
  return meant === undefined ? problem : { ...problem, message: `${problem.message}: did you mean "${meant}"?` };
}
