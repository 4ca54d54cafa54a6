import { MAX_PROBLEMS, type Problem } from '../../errors/errors.ts';
import type { Json, JsonObject } from '../../json/json.ts';
import { UNKNOWN_MEMBER } from '../../schema/validator.ts';
import { checkManifestToolSpec, checkSpec } from '../../schema/spec-document.ts';
import { error } from '../../schema/problems.ts';
import type { PlaceholderValues } from '../../schema/placeholder-values.ts';
import { readYaml } from '../../schema/yaml.ts';
import type { Place, PlacedProblem, YamlReading } from '../../schema/yaml-document.ts';
import { packSpec, type PackedSpec } from './packed-spec.ts';
import type { SpecDocument } from './spec.ts';
import { fromManifestTool, isManifestToolSpec, pointerInTool, type Quirk } from './manifest-tool-spec.ts';
import { checkPlatforms } from './spec-platforms.ts';
import { parseSpec, type SpecParsing } from './parse-spec.ts';
import { valuesWithBraces, withoutSecrets } from './value-problems.ts';

export interface SpecFile {
  /** The path, or `stdin`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One list of a file: its spec, or its problems. */
export interface SpecUnit extends Place {
  readonly file: string;
  /** The list name as written, if the spec is invalid; absent if the name cannot be read. */
  readonly written?: string;
  readonly spec?: PackedSpec;
  readonly problems: readonly PlacedProblem[];
  /** The problems of the platforms in a valid spec; only with `checksPlatforms`. */
  readonly platformProblems?: readonly PlacedProblem[];
  /** The differences from the behaviour of manifest-tool; only for manifest-tool specs. */
  readonly quirks?: readonly (Quirk & Place)[];
}

/** Maximum number of lists in a file. */
const MAX_LISTS = 20_000;

export interface SpecReading extends SpecParsing {
  /**
   * Also check the platforms against the rules for lists. Default false, because `apply` checks the lists that it
   * builds.
   */
  readonly checksPlatforms?: boolean | undefined;
}

/** Reads all specs of a file. Problems are returned, not thrown: an invalid list does not affect the others. */
export async function readSpecs(file: SpecFile, parsing: SpecReading): Promise<readonly SpecUnit[]> {
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

/** Yields the position of each list in a file, and a function that parses the list. */
async function* unitsIn(
  { name: file, bytes }: SpecFile,
  parsing: SpecReading,
): AsyncGenerator<{ readonly place: Place; readonly read: () => SpecUnit }> {
  for await (const { place, reading, problems } of readYaml(bytes, parsing.values)) {
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
  `exceeds the limit of ${MAX_LISTS} lists per file: the rest of the file is not read. Split it into several files`,
);
const nothing = error('E-SPEC', '', 'contains no spec');

interface Readings {
  readonly reading: YamlReading;
  readonly parsing: SpecReading;
  /** Approximate number of values in one spec. */
  readonly size: number;
}

function readUnit(file: string, value: Json, base: string, { reading, parsing, size }: Readings): SpecUnit {
  const isTool = isManifestToolSpec(value);
  const check = isTool ? checkManifestToolSpec : checkSpec;
  const place = { file, ...reading.placeOf(base) };
  const { values } = parsing;
  const placed = (problem: Problem): PlacedProblem => placedIn(reading, base, problem, values);
  const schemaProblems = check(value, size);
  const written = nameOf(value, isTool, values);
  const facts = { ...place, ...(written === undefined ? {} : { written }) };
  if (schemaProblems.length > 0) return { ...facts, problems: schemaProblems.slice(0, MAX_PROBLEMS).map(placed) };
  const { document, quirks } = isTool
    ? fromManifestTool(value as JsonObject, reading, base)
    : { document: asSpecDocument(value), quirks: undefined };
  const braces = valuesWithBraces(document, reading, base, values);
  const parsed = braces.length > 0 ? { problems: braces } : parseSpec(document, parsing);
  const placedQuirks = quirks?.map((quirk) => {
    const pointer = base + quirk.pointer;
    return { ...quirk, pointer, ...reading.placeOf(pointer) };
  });
  const origin = placedQuirks === undefined ? {} : { quirks: placedQuirks };
  if ('spec' in parsed) {
    const platforms = parsing.checksPlatforms === true ? checkPlatforms(document, parsing.platform).map(placed) : [];
    const warned = platforms.length === 0 ? {} : { platformProblems: platforms };
    return { ...place, spec: packSpec(document), problems: none, ...warned, ...origin };
  }
  const problems = parsed.problems
    .slice(0, MAX_PROBLEMS)
    .map((problem) => placed(isTool ? { ...problem, pointer: pointerInTool(problem.pointer) } : problem));
  return { ...facts, problems, ...origin };
}

/** Casts a value that the schema has accepted. */
function asSpecDocument(value: Json): SpecDocument {
  return value as unknown as SpecDocument;
}

/** Returns the list name of an invalid spec. It may be any string, so secret values in it are replaced. */
function nameOf(value: Json, isTool: boolean, values: PlaceholderValues | undefined): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const name = (value as JsonObject)[isTool ? 'image' : 'list'];
  return typeof name === 'string' ? withoutSecrets(name, values, []) : undefined;
}

/**
 * Adds the position to a problem, and a hint if the value is an unquoted number or contains placeholders. Replaces
 * secret values in the message.
 */
function placedIn(
  reading: YamlReading,
  base: string,
  problem: Problem,
  values: PlaceholderValues | undefined,
): PlacedProblem {
  const pointer = base + problem.pointer;
  const isName = problem.message.startsWith(UNKNOWN_MEMBER);
  const names = reading.valuesAt(pointer);
  const hint = isName ? '' : (numberHint(problem, reading, pointer) ?? valueHint(problem, names, values));
  const message = withoutSecrets(problem.message, values, names) + hint;
  return { ...problem, pointer, message, ...reading.placeOf(pointer, isName ? 'name' : 'value') };
}

function numberHint({ message }: Problem, reading: YamlReading, pointer: string): string | undefined {
  const source = /^must be of type string\b/.test(message) ? reading.sourceOf(pointer) : undefined;
  return source === undefined || source === '' ? undefined : `: write ${JSON.stringify(source)} in quotes`;
}

function valueHint({ message }: Problem, names: readonly string[], values: PlaceholderValues | undefined): string {
  const isType = names.length > 0 && /^must be .*, not string$/.test(message);
  if (isType) return `: the value of \${${names.join('} and ${')}} is always a string`;
  return values === undefined && message.includes('${') ? '. Set the values for ${NAME} with --set or --env' : '';
}
