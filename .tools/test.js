// Runs the tests. With `--long` as the first argument, runs the long versions of the suites instead. Jest needs a flag of Node
// for ES modules, which a script in package.json cannot set on every system.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [first, ...rest] = process.argv.slice(2);
const isLong = first === '--long';

/** The free space, in bytes, that a folder in memory needs. The tests use less. */
const NEEDED = 2 ** 30;

/**
 * Creates a folder in memory for the temporary files of the tests, which saves a tenth of their CPU time and the wait for a
 * disk. The long versions use a disk, as does everything if TMPDIR is set or programs in memory cannot be executed.
 */
function folderInMemory() {
  if (isLong || process.env.TMPDIR !== undefined || process.platform !== 'linux') return undefined;
  let folder;
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize < NEEDED) return undefined;
    folder = mkdtempSync('/dev/shm/mlist-test-');
    const program = join(folder, 'program');
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
    if (spawnSync(program).status === 0) return folder;
  } catch {
    // The system has no such folder.
  }
  if (folder !== undefined) rmSync(folder, { recursive: true });
  return undefined;
}

const folder = folderInMemory();
const child = spawn(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    join(root, 'node_modules/jest/bin/jest.js'),
    '-c',
    join(root, '.tools/jest.config.js'),
    ...(isLong ? rest : process.argv.slice(2)),
  ],
  {
    stdio: 'inherit',
    cwd: root,
    env: {
      ...process.env,
      ...(folder && { TMPDIR: folder }),
      MLIST_TEST_LONG: isLong ? '1' : '',
      // The programs that the tests start write nothing to the user's cache.
      NODE_DISABLE_COMPILE_CACHE: '1',
    },
  },
);
// The folder is removed even if the run is interrupted.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
const [status] = await once(child, 'close');
if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
