import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { goldenText } from '../support/golden.ts';
import { isLong } from '../support/long.ts';
import { checkout } from '../support/mlist.ts';
import { runProgram } from '../support/programs.ts';

/** The demo prints the same text on every machine, apart from the port of its registry. MLIST_UPDATE_GOLDEN=1 writes the file. */
test('the demo runs, and prints test/golden/demo.txt', async () => {
  const isWhole = isLong || process.env['MLIST_UPDATE_GOLDEN'] === '1';
  const more = isWhole ? [] : ['--short'];
  const output = await runProgram(process.execPath, join(checkout, 'test/demo/demo.js'), ...more);
  const text = output
    .replaceAll(/localhost:\d+/g, 'localhost:PORT')
    // Depends on this machine.
    .replace(/(?<=^\$ mlist explain .*\n)[^$]*/m, '[...]\n\n')
    // Manifests are sent concurrently.
    .replaceAll(/^(?:manifest .*\n)+/gm, (lines) => lines.trimEnd().split('\n').sort().join('\n').concat('\n'));
  expect(text).toContain('\nThe demo is done.');
  const golden = goldenText('demo.txt', text);
  expect(text).toBe(isWhole ? golden : golden.replace(/\n4\. [^]*(?=\nThe demo is done)/, ''));
});
