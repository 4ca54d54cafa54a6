import { MlistError } from '../../errors/errors.ts';
import { error } from '../../schema/problems.ts';
import type { PlaceholderValues } from '../../schema/placeholder-values.ts';
import { formatLocation } from '../../oci/location.ts';
import { targetName, targetsOf } from '../publish/target.ts';
import type { ListSpec } from './spec.ts';
import { unpackSpec } from './packed-spec.ts';
import type { SpecParsing } from './parse-spec.ts';
import { readSpecs, type SpecFile, type SpecReading, type SpecUnit } from './read-spec.ts';

/** This file reads the specs of several files, and checks them against each other. */

/**
 * Reads the specs of all files, in their order. Problems are returned with their specs.
 * @throws MlistError `ERR_MLIST_USAGE` if all specs are valid, but a given value is not used in any of them
 */
export async function readUnits(files: readonly SpecFile[], parsing: SpecReading): Promise<readonly SpecUnit[]> {
  const units: SpecUnit[] = [];
  for (const file of files) for (const unit of await readSpecs(file, parsing)) units.push(unit);
  if (units.every(({ problems }) => problems.length === 0)) requireUse(parsing.values);
  return checkUnits(units, parsing);
}

/** Refuses values that no spec uses, because their names are probably mistyped. */
function requireUse(values: PlaceholderValues | undefined): void {
  const unused = values?.unused ?? [];
  if (unused.length === 0) return;
  const names = unused.map((name) => `\${${name}}`).join(', ');
  throw new MlistError('ERR_MLIST_USAGE', `no spec contains ${names}`, {
    hint: 'Remove the value, or correct its name.',
  });
}

/**
 * Returns the units. A unit has problems instead of its spec if another spec writes a target or a source of this spec,
 * because the order of these accesses is undefined.
 */
function checkUnits(units: readonly SpecUnit[], parsing: SpecParsing): readonly SpecUnit[] {
  const creators = new Map<string, SpecUnit[]>();
  for (const unit of units) {
    for (const name of unit.spec === undefined ? [] : namesOf(unpackSpec(unit.spec, parsing))) {
      creators.set(name, [...(creators.get(name) ?? []), unit]);
    }
  }
  return units.map((unit) => {
    if (unit.spec === undefined) return unit;
    const spec = unpackSpec(unit.spec, parsing);
    const messages = [...repetitions(unit, spec, creators), ...dependencies(unit, spec, creators)];
    if (messages.length === 0) return unit;
    const { file, line, column, quirks } = unit;
    return {
      file,
      line,
      column,
      written: spec.name,
      problems: messages.map((message) => ({ ...error('E-SPEC', '', message), line, column })),
      ...(quirks === undefined ? {} : { quirks }),
    };
  });
}

export function namesOf({ list, tags }: ListSpec): ReadonlySet<string> {
  const targets = targetsOf(list, tags, []);
  return new Set(targets.flatMap((target) => target.tags.map((tag) => targetName(target, tag))));
}

function repetitions(
  unit: SpecUnit,
  spec: ListSpec,
  creators: ReadonlyMap<string, readonly SpecUnit[]>,
): readonly string[] {
  return [...namesOf(spec)].flatMap((name) => {
    const others = (creators.get(name) ?? []).filter((one) => one !== unit);
    return others.length === 0 ? [] : [`${name} is also written by ${others.map(placeOf).join(', ')}`];
  });
}

function dependencies(
  unit: SpecUnit,
  { content }: ListSpec,
  creators: ReadonlyMap<string, readonly SpecUnit[]>,
): readonly string[] {
  const sources = content.kind === 'copy' ? [content.from] : content.entries.map(({ location }) => location);
  const names = new Set(sources.map(formatLocation));
  return [...names].flatMap((name) => {
    const other = creators.get(name)?.find((one) => one !== unit);
    return other === undefined
      ? []
      : [`${name} is read here, but written by ${placeOf(other)}: apply that spec first, in a separate run`];
  });
}

function placeOf({ file, line }: SpecUnit): string {
  return `${file}:${line}`;
}
