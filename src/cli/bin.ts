#!/usr/bin/env node
import { homedir } from 'node:os';
import { join } from 'node:path';
import { arch, argv, env, platform, version } from 'node:process';
import { CodeCache } from './code-cache.ts';
import { ProgramFiles } from './program-files.ts';

/** Identifies the build. Defined by the build. */
declare const MLIST_BUILD: string;

/**
 * This file is the entry point. It loads the program, with compiled code from the user's own cache folder: in a shared
 * folder, other users could replace the code. NODE_COMPILE_CACHE selects another folder, and
 * NODE_DISABLE_COMPILE_CACHE=1 turns the cache off, as for Node's own cache.
 */
const cache = env['NODE_DISABLE_COMPILE_CACHE'] ? undefined : codeCache();
if (cache !== undefined) process.once('exit', (code) => code === 0 && cache.save());
new ProgramFiles(import.meta.dirname, cache).load('./process.js');

function codeCache(): CodeCache | undefined {
  const folder = cacheFolder();
  if (folder === undefined) return undefined;
  const [, , command = ''] = argv;
  // Options and other arguments must not become names of files.
  const name = /^[a-z][a-z-]{0,30}$/.test(command) ? command : 'other';
  return new CodeCache(join(folder, 'mlist', 'compiled', `${version}-${arch}`), name, MLIST_BUILD);
}

/** undefined if the user has no home folder. */
function cacheFolder(): string | undefined {
  for (const name of ['NODE_COMPILE_CACHE', 'XDG_CACHE_HOME']) if (env[name]) return env[name];
  try {
    if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
    return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
  } catch {
    return undefined;
  }
}
