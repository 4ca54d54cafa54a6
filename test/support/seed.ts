import fc from 'fast-check';

/**
 * Tests draw the same values in every run, so that a change is judged by what it changes. MLIST_TEST_SEED sets another
 * number; with `random` each run draws other values, which is how new faults are looked for. What fails prints its seed.
 */
const seed = process.env['MLIST_TEST_SEED'] ?? '1';
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });

/** The seed for values that fast-check does not draw. */
export function drawSeed(): number {
  return seed === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(seed);
}
