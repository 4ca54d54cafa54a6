import fc from 'fast-check';

/**
 * Property tests draw the same values in every run. MLIST_TEST_SEED sets another seed; with `random`, each run draws other
 * values, which may find new bugs. A failing test prints its seed. Tests import fast-check from here.
 */
const seed = process.env['MLIST_TEST_SEED'] ?? '1';
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });

export { fc };

/** The seed for values that fast-check does not draw. */
export function drawSeed(): number {
  return seed === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(seed);
}
