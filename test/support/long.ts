/**
 * Whether the long versions of the tests run (`npm run test:long`). A suite that has one is called `*.long.test.ts`;
 * `npm test` runs its short version.
 */
export const isLong = process.env['MLIST_TEST_LONG'] === '1';

/** The long versions try every n-th case of their sweeps. Default: 1, all of them. */
const everyNth = Number(process.env['MLIST_TEST_EVERY'] ?? 1);

/** How many rounds of the same kind run. */
export const roundsOf = (short: number, long: number): number => (isLong ? Math.ceil(long / everyNth) : short);

/** Whether a case of a sweep runs; the short version tries every `short`-th. */
export const isSampled = (place: number, short: number): boolean => place % (isLong ? everyNth : short) === 0;
