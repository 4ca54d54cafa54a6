import { warning } from '../../schema/problems.ts';
import type { PlacedProblem } from '../../schema/yaml-document.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecParsing } from '../spec/parse-spec.ts';
import type { SpecFile, SpecUnit } from '../spec/read-spec.ts';
import { readUnits } from '../spec/read-units.ts';

/** One list of a file of specs. */
export interface CheckedSpec {
  readonly file: string;
  /** The position of its spec. */
  readonly line: number;
  readonly column: number;
  /** Canonical reference, or the text of the spec if it is invalid; absent if the spec cannot be read. */
  readonly list?: string;
  readonly problems: readonly PlacedProblem[];
}

/**
 * Checks specs as `apply` does before its first request: schema, references, platforms, and lists that two specs
 * create. No image is read. Differences from manifest-tool are warnings.
 * @throws MlistError `ERR_MLIST_USAGE` if a given value is not used by any spec
 */
export async function validateSpecs(files: readonly SpecFile[], parsing: SpecParsing): Promise<readonly CheckedSpec[]> {
  const units = await readUnits(files, { ...parsing, checksPlatforms: true });
  return units.map((unit) => checkedSpec(unit, parsing));
}

function checkedSpec(unit: SpecUnit, parsing: SpecParsing): CheckedSpec {
  const { file, line, column, spec, problems, platformProblems = [], quirks = [] } = unit;
  const list = spec === undefined ? unit.written : unpackSpec(spec, parsing).name;
  const differences = quirks.map(({ pointer, message, ...place }) => ({
    ...warning('E-SPEC', pointer, message),
    line: place.line,
    column: place.column,
  }));
  return {
    file,
    line,
    column,
    ...(list === undefined ? {} : { list }),
    problems: [...problems, ...platformProblems, ...differences],
  };
}
