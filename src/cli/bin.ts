#!/usr/bin/env node
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { arch, argv, env, platform, uptime, version } from 'node:process';
import { CodeCache, isTrustedFolder } from './code-cache.ts';
import { ProgramFiles } from './program-files.ts';

/** V8 discards functions that a command has not called for a while, so the code of a long command is not stored. */
const MAX_SECONDS = 10;

/**
 * This file is the entry point. It loads the program, with compiled code from the user's own cache folder: in a shared
 * folder, other users could replace the code. NODE_COMPILE_CACHE selects another folder, and
 * NODE_DISABLE_COMPILE_CACHE=1 turns the cache off, as for Node's own cache.
 */
const cache = env['NODE_DISABLE_COMPILE_CACHE'] ? undefined : codeCache();
if (cache !== undefined) {
  process.once('exit', (code) => {
    if (code === 0 && uptime() < MAX_SECONDS) cache.save();
  });
}
new ProgramFiles(import.meta.dirname, cache).load('./process.js');

function codeCache(): CodeCache | undefined {
  const folder = cacheFolder();
  // A relative path could lead into an untrusted repository, which could contain compiled code.
  if (folder === undefined || !isAbsolute(folder) || !isTrustedFolder(join(folder, 'mlist'))) return undefined;
  return new CodeCache(join(folder, 'mlist', 'compiled', `${version}-${arch}`), commandName());
}

/** undefined if the user has no home folder. */
function cacheFolder(): string | undefined {
  const chosen = [env['NODE_COMPILE_CACHE'], env['XDG_CACHE_HOME']].find((path) => path !== undefined && path !== '');
  if (chosen !== undefined) return chosen;
  try {
    if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
    return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
  } catch {
    return undefined;
  }
}

/** The name of the command for the names of files. Other arguments must not become a part of them. */
function commandName(): string {
  const [first = '', second = ''] = argv.slice(2);
  // Docker puts the name of its plugin before the command.
  const word = first === 'mlist' ? second : first;
  if (/^(?:--|__)complete/.test(word)) return 'completion';
  // The help of a command calls other functions than the command.
  const isHelp = argv.some((argument) => argument === '--help' || argument === '-h');
  return !isHelp && /^[a-z][a-z-]{0,30}$/.test(word) ? word : 'other';
}
