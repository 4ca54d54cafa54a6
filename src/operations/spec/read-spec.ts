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

/** Specs in a file, or on stdin. */
export interface SpecFile {
  /** As people call it. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One list of a file: what it is to be, or what is wrong with it. */
export interface SpecUnit extends Place {
  readonly file: string;
  /** The list as it is written, where there is no spec of it; undefined where that cannot be read. */
  readonly written?: string;
  readonly spec?: PackedSpec;
  readonly problems: readonly PlacedProblem[];
  /** Where manifest-tool, whose spec it is, does otherwise. Undefined for mlist's own. */
  readonly quirks?: readonly (Quirk & Place)[];
}

/** A file that holds more lists than this was not written as one. */
const MAX_LISTS = 20_000;

/** Reads all specs of a file. Never throws for what it holds: a list that is wrong does not touch the others. */
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

/** Each list of a file with its place, read when it is asked for. */
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
  `comes after ${MAX_LISTS} lists: what follows is not read. Spread the lists over several files`,
);
const nothing = error('E-SPEC', '', 'holds no spec of a list');

interface Readings {
  readonly reading: YamlReading;
  readonly parsing: SpecParsing;
  /** Number of values of one spec, about. */
  readonly size: number;
}

function readUnit(file: string, value: Json, base: string, { reading, parsing, size }: Readings): SpecUnit {
  const isTool = isManifestToolSpec(value);
  const check = isTool ? checkManifestToolSpec : checkSpec;
  const place = { file, ...reading.placeOf(base) };
  const placed = (problem: Problem): PlacedProblem => placedIn(reading, base, problem);
  const misfits = check(value, size);
  const written = nameOf(value, isTool);
  const facts = { ...place, ...(written === undefined ? {} : { written }) };
  if (misfits.length > 0) return { ...facts, problems: misfits.slice(0, MAX_PROBLEMS).map(placed) };
  const { document, quirks } = isTool
    ? fromManifestTool(value as JsonObject, reading, base)
    : { document: fittingSpec(value), quirks: undefined };
  const parsed = parseSpec(document, parsing);
  const told = quirks?.map((quirk) => ({ ...quirk, ...reading.placeOf(base + quirk.pointer) }));
  const origin = told === undefined ? {} : { quirks: told };
  if ('spec' in parsed) {
    return { ...place, spec: packSpec(document), problems: none, ...origin };
  }
  const problems = parsed.problems
    .slice(0, MAX_PROBLEMS)
    .map((problem) => placed(isTool ? { ...problem, pointer: pointerInTool(problem.pointer) } : problem));
  return { ...facts, problems, ...origin };
}

/** The schema has proved the shape. */
function fittingSpec(value: Json): SpecDocument {
  return value as unknown as SpecDocument;
}

function nameOf(value: Json, isTool: boolean): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const name = (value as JsonObject)[isTool ? 'image' : 'list'];
  return typeof name === 'string' ? name : undefined;
}

/** Adds the place to a problem, and to a number where a string is expected the hint to quote it. */
function placedIn(reading: YamlReading, base: string, problem: Problem): PlacedProblem {
  const pointer = base + problem.pointer;
  const isName = problem.message.startsWith(UNKNOWN_MEMBER);
  const source = /^must be of type string\b/.test(problem.message) ? reading.sourceOf(pointer) : undefined;
  const hint = source === undefined || source === '' ? '' : `: write ${JSON.stringify(source)} in quotes`;
  const message = problem.message + hint;
  return { ...problem, pointer, message, ...reading.placeOf(pointer, isName ? 'name' : 'value') };
}
