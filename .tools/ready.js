// Installs the dependencies if they are missing or outdated, and builds the package if it is older than its sources.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

// On Windows npm is a script, which only a shell can start.
const shell = process.platform === 'win32';
if (!isInstalled())
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 2, 2], shell });
if (!isBuilt()) execFileSync(process.execPath, [at('.tools/build.js'), '--quick'], { stdio: ['ignore', 2, 2] });
