// Asks the npm registry for known vulnerabilities of the bundled packages, which `npm audit --omit=dev` does not see, because
// they are development dependencies: `npm run audit:bundled`. Ends with 1 if there is one. Needs a build.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { components } = JSON.parse(readFileSync(join(root, 'dist/sbom.cdx.json'), 'utf8'));
const packages = components.map(({ group, name, version }, index) => ({
  name: group === undefined ? name : `${group}/${name}`,
  version,
  // Two versions of a package need two names.
  alias: `bundled-${index}`,
}));

// A project of its own, whose lockfile contains only these packages.
const project = {
  name: 'bundled-packages',
  version: '1.0.0',
  dependencies: Object.fromEntries(packages.map(({ alias, name, version }) => [alias, `npm:${name}@${version}`])),
};
const locked = packages.map(({ alias, name, version }) => [`node_modules/${alias}`, { name, version }]);
const lockfile = { ...project, lockfileVersion: 3, packages: { '': project, ...Object.fromEntries(locked) } };

const folder = mkdtempSync(join(tmpdir(), 'mlist-audit-'));
try {
  writeFileSync(join(folder, 'package.json'), JSON.stringify(project));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lockfile));
  console.log(packages.map(({ name, version }) => `${name} ${version}`).join('\n'));
  // On Windows npm is a script, which only a shell can start.
  const shell = process.platform === 'win32';
  const { status } = spawnSync('npm', ['audit', '--package-lock-only'], { cwd: folder, stdio: 'inherit', shell });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
