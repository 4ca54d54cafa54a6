#!/usr/bin/env node
import { readFileSync, statSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { arch, env, platform, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/**
 * The first file of the program: it sees to a quick start. What the build had the engine compile serves the Node that built.
 * Any other, from 22 on, keeps what it has compiled in a folder of the user's own: one that others can write to, as that for
 * temporary files, would let them choose what the program does. Where it cannot be written nothing is kept;
 * NODE_COMPILE_CACHE names another folder, NODE_DISABLE_COMPILE_CACHE=1 turns it off.
 */
const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };

// The folder of this Node; what writes it: .tools/compile-ahead.js.
const compiledAhead = join(fileURLToPath(new URL('ahead', import.meta.url)), `${version}-${platform}-${arch}`);
if (attempt(() => statSync(compiledAhead).isDirectory()) === true) loadCompiled();
else keepCompiled();
void import('./program.ts');

/** A part of the built program, as CommonJS knows it. */
interface Part {
  exports: unknown;
  require(name: string): unknown;
}

type Load = (part: Part, path: string) => void;

/** Parts are loaded with what was compiled of them ahead, and as usual where there is nothing of one. */
function loadCompiled(): void {
  const { extensions } = createRequire(import.meta.url) as unknown as { readonly extensions: { '.js': Load } };
  const asUsual = extensions['.js'];
  extensions['.js'] = (part, path) => {
    const run = compiledOf(path);
    if (run === undefined) asUsual(part, path);
    else run.call(part.exports, part.exports, (name: string) => part.require(name), part, path, dirname(path));
  };
}

/** @returns the function of CommonJS around the part; undefined where there is nothing, or other flags make the engine refuse it */
function compiledOf(path: string): ((...args: readonly unknown[]) => void) | undefined {
  const compiled = join(compiledAhead, basename(path, '.js'));
  const cachedData = attempt(() => (statSync(compiled).isFile() ? readFileSync(compiled) : undefined));
  if (cachedData === undefined) return undefined;
  const script = new Script(module.wrap(readFileSync(path, 'utf8')), { filename: path, cachedData });
  if (script.cachedDataRejected !== true) return script.runInThisContext() as ReturnType<typeof compiledOf>;
  keepCompiled();
  return undefined;
}

/** Nothing depends on what was compiled: where it cannot be had, for whatever reason, it is done without. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function keepCompiled(): void {
  if (enableCompileCache !== undefined) attempt(() => enableCompileCache(join(cacheFolder(), 'mlist', 'compiled')));
}

/** Each system's own convention for what may be lost. */
function cacheFolder(): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}
