import fc from 'fast-check';

/**
 * Property tests draw the same values in every run, so that a change is judged by what it changes.
 * MLIST_TEST_SEED sets another number; with `random` each run draws anew, which is how new faults are looked for.
 */
const seed = process.env['MLIST_TEST_SEED'] ?? '1';
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });
