import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';

export interface NodeBinary {
  readonly version: string;
  readonly path: string;
  /** Where it is from. */
  readonly origin: string;
}

const majors = ['22', '24'];

/**
 * The running Node, and the newest of the major versions, from the packages of npm with the official binaries.
 * @param only - major versions. Default: all
 */
export function nodes({ folder }: BenchContext, only: readonly string[]): readonly NodeBinary[] {
  const running = { version: process.versions.node, path: process.execPath, origin: 'the running one' };
  const major = majorOf(running);
  const wanted = only.length > 0 ? only : [major, ...majors.filter((one) => one !== major)];
  const found = wanted.flatMap((one) => (one === major ? [running] : installedNode(one, join(folder, `node-${one}`))));
  return found.length > 0 ? found : [running];
}

export function majorOf({ version }: Pick<NodeBinary, 'version'>): string {
  return version.split('.')[0] ?? '';
}

function installedNode(major: string, folder: string): readonly NodeBinary[] {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    npmInstall(folder, `${name}@${major}`);
    const path = join(folder, 'node_modules', name, 'bin', 'node');
    const version = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim();
    return [{ version, path, origin: `${name} of npm` }];
  } catch {
    print(`Node ${major} skipped: ${name}@${major} cannot be installed`);
    return [];
  }
}

/** Packs the checkout and installs the package, as a user does. @returns the path of the program */
export function installedPackage({ root, folder }: BenchContext): string {
  const place = join(folder, 'installed');
  mkdirSync(place);
  npm(root, 'pack', '--silent', '--ignore-scripts', '--pack-destination', place);
  const packed = readdirSync(place).find((name) => name.endsWith('.tgz')) ?? '';
  npmInstall(place, join(place, packed));
  return join(place, 'node_modules', 'mlist', 'dist', 'cli', 'mlist.js');
}

function npmInstall(folder: string, name: string): void {
  mkdirSync(folder, { recursive: true });
  npm(folder, 'install', '--prefix', folder, '--silent', '--no-audit', '--no-fund', '--ignore-scripts', name);
}

function npm(cwd: string, ...args: readonly string[]): void {
  execFileSync('npm', args, { cwd, stdio: 'ignore', shell: process.platform === 'win32' });
}
