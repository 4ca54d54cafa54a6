import { error } from '../../schema/problems.ts';
import { formatLocation } from '../../oci/location.ts';
import { targetName, targetsOf } from '../publish/target.ts';
import type { ListSpec } from '../spec/spec.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecParsing } from '../spec/parse-spec.ts';
import type { SpecUnit } from '../spec/read-spec.ts';

/** What holds of many specs together. */

/** This runner's part, `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * Refuses lists that two specs make: which of them is meant nobody can say. And lists that another spec takes its images
 * from: which of the two comes first would be up to chance.
 */
export function checkUnits(units: readonly SpecUnit[], parsing: SpecParsing): readonly SpecUnit[] {
  const makers = new Map<string, SpecUnit[]>();
  for (const unit of units) {
    for (const name of unit.spec === undefined ? [] : namesOf(unpackSpec(unit.spec, parsing))) {
      makers.set(name, [...(makers.get(name) ?? []), unit]);
    }
  }
  return units.map((unit) => {
    if (unit.spec === undefined) return unit;
    const spec = unpackSpec(unit.spec, parsing);
    const messages = [...repetitions(unit, spec, makers), ...dependencies(unit, spec, makers)];
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
  makers: ReadonlyMap<string, readonly SpecUnit[]>,
): readonly string[] {
  return [...namesOf(spec)].flatMap((name) => {
    const others = (makers.get(name) ?? []).filter((one) => one !== unit);
    return others.length === 0 ? [] : [`${name} is also the list of ${others.map(placeOf).join(', ')}`];
  });
}

function dependencies(
  unit: SpecUnit,
  { content }: ListSpec,
  makers: ReadonlyMap<string, readonly SpecUnit[]>,
): readonly string[] {
  const sources = content.kind === 'copy' ? [content.from] : content.entries.map(({ location }) => location);
  const names = new Set(sources.map(formatLocation));
  return [...names].flatMap((name) => {
    const other = makers.get(name)?.find((one) => one !== unit);
    return other === undefined
      ? []
      : [`${name} is read here and made by ${placeOf(other)}: apply that one first, by itself`];
  });
}

function placeOf({ file, line }: SpecUnit): string {
  return `${file}:${line}`;
}

/**
 * The lists of one runner: every list falls to exactly one of them, about as many to each, whatever the order of the files.
 */
export function shardOf(
  units: readonly SpecUnit[],
  { index, count }: Shard,
  parsing: SpecParsing,
): readonly SpecUnit[] {
  const ranked = units
    .map((unit) => ({ unit, key: keyOf(unit, parsing) }))
    .sort((left, right) => (left.key < right.key ? -1 : 1));
  const own = new Set(ranked.filter((_, rank) => rank % count === index - 1).map(({ unit }) => unit));
  return units.filter((unit) => own.has(unit));
}

/** What cannot be read comes after all lists, by its place. */
function keyOf({ spec, file, line, column }: SpecUnit, parsing: SpecParsing): string {
  const place = `${file}\u0000${String(line).padStart(9, '0')}\u0000${String(column).padStart(9, '0')}`;
  return spec === undefined ? `\uffff${place}` : `${unpackSpec(spec, parsing).name}\u0000${place}`;
}
