#!/usr/bin/env node
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env, platform } from 'node:process';

/**
 * This file is the entry point. It turns on Node's compile cache (Node 22.8 and newer), then loads the program. The
 * cache is stored in the user's own cache folder. Node's default would be the folder for temporary files, where other
 * users could replace the code. If the cache folder is not writable, the program runs without a cache.
 * NODE_COMPILE_CACHE selects another folder, and NODE_DISABLE_COMPILE_CACHE=1 turns the cache off.
 */
const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };

try {
  enableCompileCache?.(join(cacheFolder(), 'mlist', 'compiled'));
} catch {
  // A failure is ignored, because the program also runs without the cache.
}
void import('./process.ts');

function cacheFolder(): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
