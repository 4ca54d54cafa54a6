/**
 * Whether the long versions of the tests run (`npm run test:long`). A suite that has one is called `*.long.test.ts`;
 * `npm test` runs its short version.
 */
export const isLong = process.env['MLIST_TEST_LONG'] === '1';

/** The long versions try every n-th case of their sweeps. Default: 1, all of them. */
const everyNth = Number(process.env['MLIST_TEST_EVERY'] ?? 1);

/** All cases of a table in the long version, otherwise every `short`-th, from `first`. For cases of one kind. */
export const casesOf = <T>(cases: readonly T[], short: number, first = 0): readonly T[] =>
  isLong ? cases : cases.filter((_, at) => at % short === first);

/** All pairs of two lists in the long version, otherwise so many that each value of both lists is in one. */
export const pairsOf = <A, B>(rows: readonly A[], columns: readonly B[]): readonly (readonly [A, B])[] =>
  rows.flatMap((one, row) =>
    columns
      .filter((_, column) => isLong || row % columns.length === column || column % rows.length === row)
      .map((other) => [one, other] as const),
  );

/** How many rounds of the same kind run. */
export const roundsOf = (short: number, long: number): number => (isLong ? Math.ceil(long / everyNth) : short);

/** Whether a case of a sweep runs; the short version tries every `short`-th. */
export const isSampled = (place: number, short: number): boolean => place % (isLong ? everyNth : short) === 0;
