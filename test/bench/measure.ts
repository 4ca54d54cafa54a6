export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Rotates the list by the round, so that the after-effects of one tool do not always affect the same other tool. */
export function turned<T>(things: readonly T[], round: number): readonly T[] {
  const first = round % things.length;
  return [...things.slice(first), ...things.slice(0, first)];
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
