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

/** The length of the checksum at the end of a stored file, in bytes. */
const CHECKSUM_BYTES = 4;

/** The age in milliseconds at which the temporary file of a process that was killed is removed. */
const MAX_TEMPORARY_AGE_MS = 60_000;

interface Compiled {
  /** Where the code is stored. */
  readonly path: string;
  readonly version: string;
  readonly script: Script;
}

/**
 * Stores the code that V8 has compiled, so that the next start of the same command need not compile it again.
 *
 * V8 compiles most functions only when they are first called. Therefore this cache is written when the command has
 * ended. Node's own compile cache is written before that, and does not contain these functions
 * (docs/decisions/0003-command-line.md).
 *
 * A stored file consists of the code, its version, which is the CRC-32 of the source, and the CRC-32 of both.
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
    // V8 does not compare the sources, only their lengths.
    const version = crc32(source).toString(16).padStart(8, '0');
    const cachedData = read(path, version);
    const script = new Script(source, { ...options, cachedData });
    this.#isComplete &&= cachedData !== undefined && script.cachedDataRejected !== true;
    this.#compiled.push({ path, version, script });
    return script;
  }

  /**
   * Stores the code of all files if `compile` has not found all of it. Must be called after the command has ended.
   * Ignores failures, because the program also runs without the cache.
   */
  save(): void {
    if (this.#isComplete) return;
    try {
      createFolders(this.#folder);
      removeLeftovers(this.#folder);
      for (const compiled of this.#compiled) write(compiled);
    } catch {
      // For example, the folder is read-only.
    }
  }
}

/**
 * Whether stored code in a folder can be trusted: the folder belongs to this user, and nobody else has access to it. Git
 * does not store such a mode, so the folder is not from a repository, unless it was cloned with umask 077. If the
 * folder does not exist, whether it may be created: root must not create it in the home folder of another user, who
 * could not use it.
 */
export function isPrivateFolder(path: string): boolean {
  if (process.getuid === undefined) return true;
  try {
    const status = lstatSync(path);
    return status.isDirectory() && status.uid === process.getuid() && (status.mode & 0o077) === 0;
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
 * Returns stored code; undefined if there is none for this version, or if another user or a fault may have changed it.
 * V8 does not detect damaged code, which can crash the process.
 */
function read(path: string, version: string): Buffer | undefined {
  try {
    const bytes = readOwn(path);
    const content = bytes.subarray(0, -CHECKSUM_BYTES);
    const code = content.subarray(0, -Buffer.byteLength(version));
    if (content.toString('utf8', code.length) !== version) return undefined;
    return bytes.readUInt32LE(content.length) === crc32(content) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** @throws if the file is not a regular file of this user */
function readOwn(path: string): Buffer {
  // Opening a pipe would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(file);
    const isOwn = process.getuid === undefined || status.uid === process.getuid();
    if (!status.isFile() || !isOwn) throw new Error(`${path} is not a file of this user`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Creates a folder and its parents. Node's recursive `mkdir` is not used, because it never ends in /proc. */
function createFolders(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw thrown;
    createFolders(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

/** Removes the temporary files of processes that were killed. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!/\.code\.\d+-\d+$/.test(name)) continue;
    if (Date.now() - lstatSync(path).mtimeMs > MAX_TEMPORARY_AGE_MS) rmSync(path, { force: true });
  }
}

/** Replaces a file, so that other processes never read a part of it. */
function write({ path, version, script }: Compiled): void {
  const content = Buffer.concat([script.createCachedData(), Buffer.from(version)]);
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(content));
  // In containers that share the folder, processes may have the same ID.
  const temporary = `${path}.${process.pid}-${Date.now()}`;
  try {
    writeFileSync(temporary, Buffer.concat([content, checksum]), { flag: 'wx', mode: 0o600 });
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  }
}
