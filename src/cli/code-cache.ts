import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Script, type ScriptOptions } from 'node:vm';
import { crc32 } from 'node:zlib';
import { uniqueName } from '../fs/unique-name.ts';

/** The length of the checksum at the end of a stored file, in bytes. */
const CHECKSUM_BYTES = 4;

/** Matches the names of temporary files. */
const temporary = /\.code\.[0-9a-f]{16}$/;

/** The age in milliseconds at which the temporary file of a process that was killed is removed. */
const MAX_TEMPORARY_AGE_MS = 60_000;

interface Compiled {
  /** Where the code is stored. */
  readonly path: string;
  readonly sourceChecksum: number;
  readonly script: Script;
}

/**
 * Stores the code that V8 has compiled, so that the next start of the same command need not compile it again.
 *
 * V8 compiles most functions only when they are first called. Therefore this cache is written when the command has
 * ended. Node's own compile cache is written before that, and does not contain these functions
 * (docs/decisions/0003-command-line.md).
 *
 * A stored file consists of the code and the CRC-32 of the source and the code.
 */
export class CodeCache {
  readonly #folder: string;
  readonly #command: string;
  readonly #compiled: Compiled[] = [];
  #isComplete = true;

  /**
   * @param folder - where the code is stored: a separate folder for each version and architecture of Node
   * @param command - a part of the file names. Each command has its own files, because it calls other functions
   */
  constructor(folder: string, command: string) {
    this.#folder = folder;
    this.#command = command;
  }

  /**
   * Compiles a file of the program, with the stored code if it can be used.
   * @param source - the content of the file, with the wrapper around it
   * @param options - `filename` is the path of the file
   * @throws SyntaxError
   */
  compile(source: string, options: ScriptOptions & { readonly filename: string }): Script {
    const path = join(this.#folder, `${this.#command}.${basename(options.filename)}.code`);
    const sourceChecksum = crc32(source);
    const cachedData = read(path, sourceChecksum);
    const script = new Script(source, { ...options, cachedData });
    this.#isComplete &&= cachedData !== undefined && script.cachedDataRejected !== true;
    this.#compiled.push({ path, sourceChecksum, script });
    return script;
  }

  /**
   * Stores the code of all files if `compile` has not found all of it. Must be called after the command has ended.
   * Ignores failures, because the program also runs without the cache.
   */
  save(): void {
    if (this.#isComplete) return;
    try {
      createFoldersSync(this.#folder);
      removeStaleTemporaries(this.#folder);
      for (const compiled of this.#compiled) write(compiled);
    } catch {
      // For example, the folder is read-only.
    }
  }
}

/**
 * Whether code may be stored in a folder and run from it: the folder belongs to this user, and nobody else has access to
 * it. Git does not store such a mode, so the folder is not from a repository, unless it was cloned with umask 077. A
 * folder that does not exist may be created, but not by root in the home folder of another user, who could not use it.
 */
export function isTrustedFolder(path: string): boolean {
  if (process.getuid === undefined) return true;
  try {
    const info = lstatSync(path);
    return info.isDirectory() && info.uid === process.getuid() && (info.mode & 0o077) === 0;
  } catch {
    return process.getuid() !== 0 || ownerOfNearest(dirname(path)) === 0;
  }
}

/** The owner of a folder or, if it does not exist, of its nearest parent. */
function ownerOfNearest(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return dirname(path) === path ? undefined : ownerOfNearest(dirname(path));
  }
}

/**
 * Returns the stored code of a source; undefined if none is stored, if it is damaged, or if the file belongs to another
 * user. V8 compares only the length of the source, and does not detect damaged code, which can crash the process.
 */
function read(path: string, sourceChecksum: number): Buffer | undefined {
  try {
    const bytes = readOwn(path);
    const code = bytes.subarray(0, -CHECKSUM_BYTES);
    return bytes.readUInt32LE(code.length) === crc32(code, sourceChecksum) ? code : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Does not use src/fs/read-file.ts, whose errors would triple the size of the entry file, which is compiled at every
 * start.
 * @throws if the file is not a regular file of this user
 */
function readOwn(path: string): Buffer {
  // Opening a pipe would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const info = fstatSync(file);
    const isOwn = process.getuid === undefined || info.uid === process.getuid();
    if (!info.isFile() || !isOwn) throw new Error(`${path} is not a file of this user`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Replaces a file, so that other processes never read a part of it. */
function write({ path, sourceChecksum, script }: Compiled): void {
  const code = script.createCachedData();
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(code, sourceChecksum));
  const temporaryPath = `${path}.${uniqueName()}`;
  try {
    writeFileSync(temporaryPath, Buffer.concat([code, checksum]), { flag: 'wx', mode: 0o600 });
    renameSync(temporaryPath, path);
  } catch (thrown) {
    rmSync(temporaryPath, { force: true });
    throw thrown;
  }
}

/** Removes the temporary files of processes that were killed. */
function removeStaleTemporaries(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!temporary.test(name)) continue;
    if (Date.now() - lstatSync(path).mtimeMs > MAX_TEMPORARY_AGE_MS) rmSync(path, { force: true });
  }
}

/** Like `createFolders` of src/fs/folders.ts, but synchronous, because the process is ending. */
function createFoldersSync(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw thrown;
    createFoldersSync(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}
