// Runs the tests. With `--long` as the first argument, runs the long versions of the suites instead. Jest needs a flag of Node
// for ES modules, which a script in package.json cannot set on every system.
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
