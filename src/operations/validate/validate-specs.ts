import { warning } from '../../schema/problems.ts';
import type { PlacedProblem } from '../../schema/yaml-document.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecParsing } from '../spec/parse-spec.ts';
import type { SpecFile, SpecUnit } from '../spec/read-spec.ts';
import { readUnits } from '../spec/read-units.ts';

/** The problems of one list in a file with specs. */
export interface CheckedSpec {
  readonly file: string;
  /** The position of its spec. */
  readonly line: number;
  readonly column: number;
  /**
   * The canonical reference of the list, or its name as written if the spec is invalid. Absent if the name cannot be
   * read.
   */
  readonly list?: string;
  readonly problems: readonly PlacedProblem[];
}

/**
 * Checks specs as `apply` does before its first request: the schema, references and platforms, and conflicts between
 * specs. No image is read. Differences from manifest-tool are warnings.
 * @throws MlistError `ERR_MLIST_USAGE` if all specs are valid, but a given value is not used in any of them
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
