/** Returns the known word that is most similar to a mistyped one; undefined if no word is similar. */
export function closestMatch(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.round(word.length / 3));
  const ranked = known
    .filter((candidate) => Math.abs(candidate.length - word.length) <= limit)
    .map((candidate) => ({ candidate, distance: distance(word, candidate) }))
    .sort((left, right) => left.distance - right.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= limit ? best.candidate : undefined;
}

/** Optimal string alignment distance: insertions, deletions, substitutions, and swaps of adjacent letters. */
function distance(left: string, right: string): number {
  let before: readonly number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let at = 1; at <= left.length; at += 1) {
    const next = [at];
    for (let other = 1; other <= right.length; other += 1) {
      const change = (row[other - 1] ?? 0) + (left[at - 1] === right[other - 1] ? 0 : 1);
      const isSwapped = at > 1 && left[at - 1] === right[other - 2] && left[at - 2] === right[other - 1];
      const swap = isSwapped ? (before[other - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(change, swap, (row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[right.length] ?? 0;
}
