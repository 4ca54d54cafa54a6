import { error } from '../../schema/problems.ts';
import { formatLocation } from '../../oci/location.ts';
import { targetName, targetsOf } from '../publish/target.ts';
import type { ListSpec } from '../spec/spec.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecParsing } from '../spec/parse-spec.ts';
import type { SpecUnit } from '../spec/read-spec.ts';

/** Checks across all specs of a run, and their distribution over parallel runs. */

/** The part of this run, `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * Refuses lists that two specs create, and lists that are sources of another spec, since the order of the two would be
 * undefined.
 */
export function checkUnits(units: readonly SpecUnit[], parsing: SpecParsing): readonly SpecUnit[] {
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
    return others.length === 0 ? [] : [`${name} is also the list of ${others.map(placeOf).join(', ')}`];
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
      : [`${name} is read here and created by ${placeOf(other)}: apply that spec first, on its own`];
  });
}

function placeOf({ file, line }: SpecUnit): string {
  return `${file}:${line}`;
}

/**
 * The lists of one shard. Each list is in exactly one shard, the shards have about equal sizes, and the order of the files
 * does not matter.
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

/** Specs that cannot be read are sorted after all lists, by their position. */
function keyOf({ spec, file, line, column }: SpecUnit, parsing: SpecParsing): string {
  const place = `${file}\u0000${String(line).padStart(9, '0')}\u0000${String(column).padStart(9, '0')}`;
  return spec === undefined ? `\uffff${place}` : `${unpackSpec(spec, parsing).name}\u0000${place}`;
}
