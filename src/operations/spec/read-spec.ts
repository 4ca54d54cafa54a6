import { MAX_PROBLEMS, type Problem } from '../../errors/errors.ts';
import type { Json, JsonObject } from '../../json/json.ts';
import { UNKNOWN_MEMBER } from '../../schema/validator.ts';
import { checkManifestToolSpec, checkSpec } from '../../schema/spec-document.ts';
import { error } from '../../schema/problems.ts';
import { readYaml } from '../../schema/yaml.ts';
import type { Place, PlacedProblem, YamlReading } from '../../schema/yaml-document.ts';
import { packSpec, type PackedSpec } from './packed-spec.ts';
import type { SpecDocument } from './spec.ts';
import { fromManifestTool, isManifestToolSpec, pointerInTool, type Quirk } from './manifest-tool-spec.ts';
import { parseSpec, type SpecParsing } from './parse-spec.ts';

export interface SpecFile {
  /** The path, or `stdin`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One list of a file: its spec, or its problems. */
export interface SpecUnit extends Place {
  readonly file: string;
  /** The text of the list name if the spec is invalid; absent if it cannot be read. */
  readonly written?: string;
  readonly spec?: PackedSpec;
  readonly problems: readonly PlacedProblem[];
  /** For specs of manifest-tool: differences from its behaviour. */
  readonly quirks?: readonly (Quirk & Place)[];
}

/** Maximum number of lists in a file. */
const MAX_LISTS = 20_000;

/** Reads all specs of a file. Problems are returned, not thrown: an invalid list does not affect the others. */
export async function readSpecs(file: SpecFile, parsing: SpecParsing): Promise<readonly SpecUnit[]> {
  const units: SpecUnit[] = [];
  for await (const { place, read } of unitsIn(file, parsing)) {
    if (units.length === MAX_LISTS) {
      units.push({ file: file.name, ...place, problems: [{ ...tooMany, ...place }] });
      break;
    }
    units.push(read());
  }
  return units.length > 0 ? units : [{ file: file.name, ...start, problems: [{ ...nothing, ...start }] }];
}

/** Yields each list of a file with its position. The list is parsed by `read`. */
async function* unitsIn(
  { name: file, bytes }: SpecFile,
  parsing: SpecParsing,
): AsyncGenerator<{ readonly place: Place; readonly read: () => SpecUnit }> {
  for await (const { place, reading, problems } of readYaml(bytes)) {
    const value = reading?.value;
    if (reading === undefined || value === undefined) yield { place, read: () => ({ file, ...place, problems }) };
    else if (!Array.isArray(value)) {
      yield { place, read: () => readUnit(file, value, '', { reading, parsing, size: reading.values }) };
    } else if (value.length === 0) {
      yield { place, read: () => ({ file, ...place, problems: [{ ...nothing, ...place }] }) };
    } else {
      const readings = { reading, parsing, size: Math.ceil(reading.values / value.length) };
      for (const [at, one] of (value as readonly Json[]).entries()) {
        const base = `/${at}`;
        yield { place: reading.placeOf(base), read: () => readUnit(file, one, base, readings) };
      }
    }
  }
}

const none: readonly PlacedProblem[] = [];
const start: Place = { line: 1, column: 1 };
const tooMany = error(
  'E-SPEC',
  '',
  `comes after ${MAX_LISTS} lists: the rest of the file is not read. Split the lists into several files`,
);
const nothing = error('E-SPEC', '', 'contains no spec of a list');

interface Readings {
  readonly reading: YamlReading;
  readonly parsing: SpecParsing;
  /** Approximate number of values of one spec. */
  readonly size: number;
}

function readUnit(file: string, value: Json, base: string, { reading, parsing, size }: Readings): SpecUnit {
  const isTool = isManifestToolSpec(value);
  const check = isTool ? checkManifestToolSpec : checkSpec;
  const place = { file, ...reading.placeOf(base) };
  const placed = (problem: Problem): PlacedProblem => placedIn(reading, base, problem);
  const schemaProblems = check(value, size);
  const written = nameOf(value, isTool);
  const facts = { ...place, ...(written === undefined ? {} : { written }) };
  if (schemaProblems.length > 0) return { ...facts, problems: schemaProblems.slice(0, MAX_PROBLEMS).map(placed) };
  const { document, quirks } = isTool
    ? fromManifestTool(value as JsonObject, reading, base)
    : { document: asSpecDocument(value), quirks: undefined };
  const parsed = parseSpec(document, parsing);
  const placedQuirks = quirks?.map((quirk) => ({ ...quirk, ...reading.placeOf(base + quirk.pointer) }));
  const origin = placedQuirks === undefined ? {} : { quirks: placedQuirks };
  if ('spec' in parsed) {
    return { ...place, spec: packSpec(document), problems: none, ...origin };
  }
  const problems = parsed.problems
    .slice(0, MAX_PROBLEMS)
    .map((problem) => placed(isTool ? { ...problem, pointer: pointerInTool(problem.pointer) } : problem));
  return { ...facts, problems, ...origin };
}

/** The schema has validated the value. */
function asSpecDocument(value: Json): SpecDocument {
  return value as unknown as SpecDocument;
}

function nameOf(value: Json, isTool: boolean): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const name = (value as JsonObject)[isTool ? 'image' : 'list'];
  return typeof name === 'string' ? name : undefined;
}

/** Adds the position to a problem, and a hint to quote a number if a string is expected. */
function placedIn(reading: YamlReading, base: string, problem: Problem): PlacedProblem {
  const pointer = base + problem.pointer;
  const isName = problem.message.startsWith(UNKNOWN_MEMBER);
  const source = /^must be of type string\b/.test(problem.message) ? reading.sourceOf(pointer) : undefined;
  const hint = source === undefined || source === '' ? '' : `: write ${JSON.stringify(source)} in quotes`;
  const message = problem.message + hint;
  return { ...problem, pointer, message, ...reading.placeOf(pointer, isName ? 'name' : 'value') };
}
