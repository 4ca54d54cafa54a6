#!/usr/bin/env node
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env, platform } from 'node:process';

/**
 * The first file of the program. From Node 22 on the engine keeps what it has compiled, in a folder of the user's own: one
 * that others can write to, as that for temporary files, would let them choose what the program does. Where it cannot be
 * written nothing is kept; NODE_COMPILE_CACHE names another folder, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
 */
const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };
enableCompileCache?.(join(cacheFolder(), 'mlist', 'compiled'));
void import('./program.ts');

/** Each system's own convention for what may be lost. */
function cacheFolder(): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
