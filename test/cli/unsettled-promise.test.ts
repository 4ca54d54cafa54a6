import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** If a request never settles and nothing else is pending, Node ends the process with exit code 0. */
test('a command with a promise that never settles exits with an error', async () => {
  const folder = await temporaryFolder();
  const inert = join(folder, 'inert.cjs');
  await writeFile(
    inert,
    `const { PassThrough } = require('node:stream');
    require('node:http').request = () => Object.assign(new PassThrough(), { setTimeout() {}, setNoDelay() {} });`,
  );
  const env = { HOME: folder, NODE_OPTIONS: `--require ${JSON.stringify(inert)}` };
  const result = await runMlist(
    ['copy', 'localhost:9/a:b', `oci:${join(folder, 'out')}`, '--timeout', '1h', '--deadline', '2h'],
    env,
  );
  expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/unexpected error/) as unknown });
});
