import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { variable, type Environment } from './environment.ts';

/**
 * Returns the command that starts a program: its name or, on Windows, its absolute path. Given a name, Windows would
 * search the current folder before PATH, and this folder may be an untrusted repository.
 * @returns undefined on Windows if the program is not on PATH
 */
export function startableProgram(name: string, env: Environment, platform = process.platform): string | undefined {
  return platform === 'win32' ? findProgram(name, env, platform) : name;
}

/**
 * Returns the absolute path of a program on PATH; undefined if PATH does not contain it. Relative folders in PATH are
 * skipped.
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
