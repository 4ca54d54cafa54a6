/**
 * Whether the long versions of the tests run (`npm run test:long`). A suite that has one is called `*.long.test.ts`;
 * `npm test` runs its short version.
 */
export const isLong = process.env['MLIST_TEST_LONG'] === '1';
