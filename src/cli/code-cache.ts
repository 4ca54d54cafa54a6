import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Script, type ScriptOptions } from 'node:vm';

/**
 * Stores the code that V8 has compiled, so that the next start of the same command does not compile it again.
 * Node's own compile cache stores a file as it is when it has been loaded, but V8 compiles most functions when they are
 * first called (docs/decisions/0003-command-line.md). This cache is therefore written when the command has ended.
 */
export class CodeCache {
  readonly #folder: string;
  readonly #command: string;
  readonly #build: string;
  readonly #missing: { readonly path: string; readonly version: string; readonly script: Script }[] = [];

  /**
   * @param folder - the folder of the stored code. It must be a different one for each version of Node
   * @param command - the name of the command. Each command has its own files, because it calls other functions
   * @param build - identifies the build of the program
   */
  constructor(folder: string, command: string, build: string) {
    this.#folder = folder;
    this.#command = command;
    this.#build = build;
  }

  /**
   * Compiles a file of the program, or takes the stored code.
   * @param source - the source code with the content of the file
   */
  compile(source: string, options: ScriptOptions & { readonly filename: string }): Script {
    const path = join(this.#folder, `${this.#command}.${basename(options.filename)}.code`);
    // V8 compares only the lengths of the sources, so the version has to change with the content.
    const version = `\n${this.#build} ${statSync(options.filename).mtimeMs}`;
    const cachedData = stored(path, version);
    const script = new Script(source, { ...options, cachedData });
    if (cachedData === undefined || script.cachedDataRejected === true) this.#missing.push({ path, version, script });
    return script;
  }

  /** Stores the code that was not found. Ignores failures, because the program also runs without the cache. */
  save(): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      for (const { path, version, script } of this.#missing) {
        replaceFile(path, Buffer.concat([script.createCachedData(), Buffer.from(version)]));
      }
    } catch {
      // For example, the folder is read-only.
    }
  }
}

/** Returns the stored code; undefined if there is none for this version. */
function stored(path: string, version: string): Buffer | undefined {
  try {
    const bytes = readFileSync(path);
    const end = bytes.length - Buffer.byteLength(version);
    return bytes.toString('utf8', end) === version ? bytes.subarray(0, end) : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a file completely or not at all, even if the system crashes: V8 does not detect damaged code. */
function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o600, flush: true });
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  }
}
