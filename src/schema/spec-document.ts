import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';
import { closestMatch } from '../text/closest-match.ts';
import { checkSchema, UNKNOWN_MEMBER } from './validator.ts';
import * as all from './compiled/specs-all.ts';
import * as first from './compiled/specs-first.ts';

/** This file checks the specs that `apply` reads, in mlist's own format and in the format of manifest-tool. */

/**
 * Checks a spec in mlist's own format.
 * @param size - number of values in the document
 */
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

/** The member names of the objects in a spec. `pointer` matches the JSON pointer of an object. */
const members: readonly (readonly [pointer: RegExp, names: readonly string[]])[] = [
  [
    /^$/,
    [
      ...['list', 'tags', 'copy', 'format', 'annotations', 'artifactType', 'subject', 'platforms', 'manifests'],
      ...['attestations', 'missing', 'fillFrom', 'ignoreMissing', 'expect', 'allowDuplicates'],
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

/** Maps member names that other tools use to the names in a spec. */
const otherNames = new Map([
  ['images', 'manifests'],
  ['sources', 'manifests'],
  ['name', 'list'],
  ['source', 'image'],
  ['arch', 'architecture'],
]);

/** Adds a suggestion to the message about an unknown member, if a known name is similar or has the same meaning. */
function withSuggestion(problem: Problem): Problem {
  if (problem.message !== UNKNOWN_MEMBER) return problem;
  const tokens = problem.pointer.split('/');
  const name = tokens.pop() ?? '';
  const known = members.find(([pointer]) => pointer.test(tokens.join('/')))?.[1] ?? [];
  const otherName = otherNames.get(name) ?? '';
  const suggestion = known.includes(otherName) ? otherName : closestMatch(name, known);
  if (suggestion === undefined) return problem;
  return { ...problem, message: `${problem.message}: did you mean "${suggestion}"?` };
}
