import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { goldenText } from '../support/golden.ts';
import { checkout } from '../support/mlist.ts';
import { runProgram } from '../support/programs.ts';

/** The demo prints the same text on every machine, apart from the port of its registry. MLIST_UPDATE_GOLDEN=1 writes the file. */
test('the demo runs, and prints test/golden/demo.txt', async () => {
  const output = await runProgram(process.execPath, join(checkout, 'test/demo/demo.js'));
  const text = output
    .replaceAll(/localhost:\d+/g, 'localhost:PORT')
    // Depends on this machine.
    .replace(/(?<=^\$ mlist explain .*\n)[^$]*/m, '[...]\n\n')
    // Manifests are sent concurrently.
    .replaceAll(/^(?:manifest .*\n)+/gm, (lines) => lines.trimEnd().split('\n').sort().join('\n').concat('\n'));
  expect(text).toContain('\nThe demo is done.');
  expect(text).toBe(goldenText('demo.txt', text));
});
