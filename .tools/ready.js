// Installs the dependencies if they are missing or outdated, and builds the package if it is older than its sources.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Interval of the progress reports. */
const REPORT_MS = 5000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  const inside = readdirSync(path).filter((name) => name !== 'compiled');
  return Math.max(0, ...inside.map((name) => newest(join(path, name))));
}

function isInstalled() {
  const mark = at('node_modules', '.package-lock.json');
  return existsSync(mark) && statSync(mark).mtimeMs >= statSync(at('package-lock.json')).mtimeMs;
}

function isBuilt() {
  const built = ['dist/index.js', 'dist/cli/mlist.js', 'src/schema/compiled/documents-first.ts'].map((path) =>
    at(path),
  );
  if (!built.every((path) => existsSync(path))) return false;
  const oldest = Math.min(...built.map((path) => statSync(path).mtimeMs));
  return ['src', 'schemas', '.tools'].every((path) => newest(at(path)) <= oldest);
}

/** How many packages npm has unpacked. It creates all folders first. */
function installProgress() {
  if (!existsSync(at('node_modules'))) return '';
  const names = readdirSync(at('node_modules')).filter((name) => !name.startsWith('.'));
  const packages = names.flatMap((name) =>
    name.startsWith('@') ? readdirSync(at('node_modules', name)).map((inner) => join(name, inner)) : [name],
  );
  const unpacked = packages.filter((name) => existsSync(at('node_modules', name, 'package.json')));
  return `, ${unpacked.length} of ${packages.length} packages`;
}

/** Runs a program, and reports on stderr that it is still running. Its own output is shown too. */
async function run(title, program, args, progress) {
  const started = Date.now();
  console.error(`${title} ...`);
  // On Windows npm is a script, which only a shell can start.
  const shell = process.platform === 'win32' && program === 'npm';
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2], shell });
  const timer = setInterval(() => {
    console.error(`  ${Math.round((Date.now() - started) / 1000)} s${progress()}`);
  }, REPORT_MS);
  try {
    const [status] = await once(child, 'close');
    if (status === 0) return;
    // The program has printed why. A stack of this script would hide that.
    console.error(`${title} failed with exit code ${status}; the reason is above.`);
    process.exit(1);
  } finally {
    clearInterval(timer);
  }
}

if (!isInstalled())
  await run('Installing the development packages with npm', 'npm', ['ci', '--no-audit', '--no-fund'], installProgress);
if (!isBuilt()) await run('Building', process.execPath, [at('.tools/build.js'), '--quick'], () => '');
