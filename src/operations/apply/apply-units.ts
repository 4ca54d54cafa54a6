import type { SpecParsing } from '../spec/parse-spec.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecUnit } from '../spec/read-spec.ts';

/** Distributes the lists of specs over parallel runs (`--shard`). */

/** The part of the lists that this run applies: `index` of `count`, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * The lists of one shard. Each list is in exactly one shard, the shards have about equal sizes, and the order of the
 * files does not matter.
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

/** The sort key of a spec. Specs that cannot be read come after all lists, in the order of their positions. */
function keyOf({ spec, file, line, column }: SpecUnit, parsing: SpecParsing): string {
  const place = `${file}\u0000${String(line).padStart(9, '0')}\u0000${String(column).padStart(9, '0')}`;
  return spec === undefined ? `\uffff${place}` : `${unpackSpec(spec, parsing).name}\u0000${place}`;
}
