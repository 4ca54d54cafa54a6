import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import type { CodeCache } from './code-cache.ts';

/** The function in which Node runs a CommonJS file. */
const WRAPPER_START = '(function (exports, require, module, __filename, __dirname) {';
const WRAPPER_END = '\n})';

type RunFile = (
  exports: object,
  require: (specifier: string) => unknown,
  module: { exports: object },
  path: string,
  folder: string,
) => void;

/** Loads the files of the program. They are CommonJS files in one folder. */
export class ProgramFiles {
  readonly #folder: string;
  readonly #cache: CodeCache | undefined;
  readonly #modules = new Map<string, { exports: object }>();
  readonly #requireNode: NodeJS.Require;

  /** @param cache - stores the compiled code; undefined to compile the files at every start */
  constructor(folder: string, cache: CodeCache | undefined) {
    this.#folder = folder;
    this.#cache = cache;
    this.#requireNode = createRequire(join(folder, 'mlist.js'));
  }

  /**
   * Returns the exports of a module. The first call for a file runs it.
   * @param specifier - the name of a file after `./`, or a module of Node
   * @throws what the file throws; also if it does not exist
   */
  load(specifier: string): unknown {
    if (!specifier.startsWith('./')) return this.#requireNode(specifier);
    const loaded = this.#modules.get(specifier);
    if (loaded !== undefined) return loaded.exports;
    const module = { exports: {} };
    this.#modules.set(specifier, module);
    const path = join(this.#folder, specifier);
    try {
      const run = this.#compile(path).runInThisContext() as RunFile;
      run(module.exports, (other) => this.load(other), module, path, this.#folder);
    } catch (thrown) {
      // The next call must not return a module that is incomplete.
      this.#modules.delete(specifier);
      throw thrown;
    }
    return module.exports;
  }

  #compile(path: string): Script {
    const source = `${WRAPPER_START}${readFileSync(path, 'utf8')}${WRAPPER_END}`;
    const options = { filename: path, columnOffset: -WRAPPER_START.length };
    return this.#cache?.compile(source, options) ?? new Script(source, options);
  }
}
