// Makes the tarball that is published, from a build with types: `npm run pack:release`, or with `--out FOLDER`.
// GITHUB_SERVER_URL and GITHUB_REPOSITORY, which a workflow sets, name the repository.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { repositoryUrl, stagePackage } from './package-files.js';

// A larger package is not worth the wait for those who run it with npx.
const MAXIMUM = 1024 * 1024;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'build') } } });
const out = resolve(values.out);
if (!existsSync(join(root, 'dist/types')))
  execFileSync(process.execPath, [join(root, '.tools/build.js')], { stdio: 'inherit' });

const folder = join(out, 'package');
rmSync(folder, { recursive: true, force: true });
const { version } = stagePackage(root, folder, repositoryUrl(process.env));
const name = `mlist-${version}.tgz`;
// On Windows npm is a script, which only a shell can start.
const shell = process.platform === 'win32';
const part = mkdtempSync(join(out, 'pack-'));
try {
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', part], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell,
  });
  renameSync(join(part, name), join(out, name));
} finally {
  rmSync(part, { recursive: true, force: true });
}
const { size } = statSync(join(out, name));
console.log(`${join(out, name)}: ${size} bytes`);
if (size > MAXIMUM) throw new Error(`the package has ${size} bytes, more than ${MAXIMUM}`);
