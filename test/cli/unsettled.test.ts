import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** If a request never settles and nothing else is pending, Node ends the process with exit code 0. */
test('a command that never settles does not succeed', async () => {
  const home = await temporaryFolder();
  const inert = join(home, 'inert.cjs');
  await writeFile(
    inert,
    `const { PassThrough } = require('node:stream');
    require('node:http').request = () => Object.assign(new PassThrough(), { setTimeout() {}, setNoDelay() {} });`,
  );
  const env = { HOME: home, NODE_OPTIONS: `--require ${JSON.stringify(inert)}` };
  const ran = await runMlist(
    ['copy', 'localhost:9/a:b', `oci:${join(home, 'out')}`, '--timeout', '1h', '--deadline', '2h'],
    env,
  );
  expect(ran).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/unexpected error/) as unknown });
});
