// Runs the tests; with `--long` first, the long versions of the suites that have one. Jest reads ES modules only with a
// flag of Node's, which a script in package.json could not give on every system.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [first, ...rest] = process.argv.slice(2);
const isLong = first === '--long';
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    join(root, 'node_modules/jest/bin/jest.js'),
    '-c',
    join(root, '.tools/jest.config.js'),
    ...(isLong ? rest : process.argv.slice(2)),
  ],
  { stdio: 'inherit', cwd: root, env: { ...process.env, MLIST_TEST_LONG: isLong ? '1' : '' } },
);
process.exitCode = status ?? 1;
