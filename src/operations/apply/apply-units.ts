import type { SpecParsing } from '../spec/parse-spec.ts';
import { unpackSpec } from '../spec/packed-spec.ts';
import type { SpecUnit } from '../spec/read-spec.ts';

/** This file distributes the lists of specs over parallel runs (`--shard`). */

/** The shard that this run applies: number `index`, from 1 to `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * Returns the lists of one shard. Each list is in exactly one shard, regardless of the order of the files. The sizes of
 * the shards differ by at most one.
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

/** Returns the sort key of a spec. Invalid specs come last, sorted by file and position. */
function keyOf({ spec, file, line, column }: SpecUnit, parsing: SpecParsing): string {
  const place = `${file}\u0000${String(line).padStart(9, '0')}\u0000${String(column).padStart(9, '0')}`;
  return spec === undefined ? `\uffff${place}` : `${unpackSpec(spec, parsing).name}\u0000${place}`;
}
