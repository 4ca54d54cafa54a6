import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { variable, type Environment } from './environment.ts';

/**
 * The command with which a program is started: its name or, on Windows, its absolute path on PATH. Windows searches for
 * a name in the current folder first, which may be an untrusted cloned repository.
 * @returns undefined if PATH has no such program, on Windows only
 */
export function startableProgram(name: string, env: Environment, platform = process.platform): string | undefined {
  return platform === 'win32' ? findProgram(name, env, platform) : name;
}

/**
 * The absolute path of a program on PATH; undefined if PATH does not contain it. Relative folders of PATH are skipped.
 */
export function findProgram(name: string, env: Environment, platform = process.platform): string | undefined {
  const names = platform === 'win32' ? [`${name}.exe`, `${name}.com`] : [name];
  const folders = (variable(env, 'PATH') ?? variable(env, 'Path') ?? '').split(delimiter).filter(isAbsolute);
  return folders.flatMap((folder) => names.map((file) => join(folder, file))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
