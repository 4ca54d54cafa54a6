import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { SingleFlight } from '../../async/single-flight.ts';
import { MlistError, withNextStep } from '../../errors/errors.ts';
import { readFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { byteSize } from '../../text/quantity.ts';
import { Bcrypt } from './bcrypt.ts';
import { parseRights, WRITE_ALL, type Right } from './rights.ts';

const MAX_BYTES = 16 * 1024 * 1024;

/** The maximum size of a password in bytes. bcrypt ignores further bytes. */
const MAX_PASSWORD_BYTES = 72;

/** The default cost of most bcrypt libraries. `htpasswd -B` uses 5 by default. */
const BCRYPT_COST = 10;

type StoredHash =
  | { readonly scheme: 'sha'; readonly algorithm: 'sha1' | 'sha256'; readonly digest: string }
  | { readonly scheme: 'bcrypt'; readonly hash: string };

interface Entry {
  readonly hash: StoredHash;
  readonly rights: readonly Right[];
}

export interface FileUser {
  readonly user: string;
  readonly rights: readonly Right[];
}

/**
 * The users of a registry, read from a file with lines of the form `USER:HASH` or `USER:HASH:RIGHTS`. The hash is a
 * bcrypt, `{SHA}` or `{SHA256}` hash. Users without RIGHTS may read and write all repositories.
 */
export class Htpasswd {
  readonly #users: ReadonlyMap<string, Entry>;
  /**
   * Passwords of unknown users are compared with this hash, so that the response time does not reveal which users
   * exist.
   */
  readonly #decoy: StoredHash;
  /**
   * Accepted passwords, hashed with the pepper and keyed by user. They make it unnecessary to run bcrypt for each
   * request.
   */
  readonly #accepted = new Map<string, Buffer>();
  readonly #pepper = randomBytes(32);
  /** Comparisons in progress, keyed by password hash and user. Requests with the same credentials share one. */
  readonly #comparisons = new SingleFlight<boolean>();
  readonly #bcrypt = new Bcrypt();

  private constructor(users: ReadonlyMap<string, Entry>) {
    this.#users = users;
    this.#decoy = decoyOf([...users.values()].map(({ hash }) => hash));
  }

  /**
   * Reads an htpasswd file.
   * @param signal - aborts reading, for example from a pipe
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist, `ERR_MLIST_FILE` if it cannot be read,
   *   `ERR_MLIST_CREDENTIALS` if it is too large, `ERR_MLIST_USAGE` if a line is not supported. Messages contain user
   *   names, but no hashes
   * @throws the abort reason if `signal` is aborted
   */
  static async load(path: string, signal?: AbortSignal): Promise<Htpasswd> {
    const bytes = await readAtMost(path, { maxBytes: MAX_BYTES, signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw withNextStep(readFailure(path, error), { remedy: { kind: 'hash-password' } });
    });
    if (bytes.length > MAX_BYTES) {
      const message = `cannot use the htpasswd file ${path}: it is larger than ${byteSize(MAX_BYTES)}`;
      throw new MlistError('ERR_MLIST_CREDENTIALS', message, { path });
    }
    const lines = bytes
      .toString('utf8')
      .split(/\r?\n/)
      .map((line, at) => ({ line: line.trim(), number: at + 1 }));
    const entries = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
    return new Htpasswd(new Map(entries.map(({ line, number }) => parseLine(line, path, number))));
  }

  /** Whether the file has no users, which means that nobody can log in. */
  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  /**
   * Returns the user whose name and password an Authorization header contains (RFC 7617), or undefined if they are
   * wrong or missing.
   * @throws RequestError 429 if too many logins are pending
   */
  async find(authorization: string | undefined): Promise<FileUser | undefined> {
    const encoded = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(authorization ?? '')?.[1] ?? '';
    const credentials = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8'));
    if (credentials === null) return undefined;
    const [, user = '', password = ''] = credentials;
    const rights = this.#users.get(user)?.rights;
    return (await this.#isValid(user, password)) && rights !== undefined ? { user, rights } : undefined;
  }

  /** Returns the rights of a user, or undefined if the user does not exist. */
  rightsOf(user: string): readonly Right[] | undefined {
    return this.#users.get(user)?.rights;
  }

  /** Terminates the bcrypt thread and rejects pending comparisons. */
  close(): Promise<void> {
    return this.#bcrypt.close();
  }

  async #isValid(user: string, password: string): Promise<boolean> {
    const given = createHash('sha256').update(this.#pepper).update(password).digest();
    const accepted = this.#accepted.get(user);
    if (accepted !== undefined && timingSafeEqual(accepted, given)) return true;
    const key = `${given.toString('hex')} ${user}`;
    const stored = this.#users.get(user)?.hash;
    const matches = await this.#comparisons.run(key, () => this.#compare(password, stored ?? this.#decoy));
    if (!matches || stored === undefined) return false;
    this.#accepted.set(user, given);
    return true;
  }

  async #compare(password: string, stored: StoredHash): Promise<boolean> {
    if (stored.scheme === 'bcrypt') return this.#bcrypt.compare(password, stored.hash);
    const matches = isEqual(createHash(stored.algorithm).update(password).digest('base64'), stored.digest);
    // If the decoy uses bcrypt, unknown users are refused slowly, so a fast refusal would reveal that this user exists.
    if (!matches && this.#decoy.scheme === 'bcrypt') await this.#bcrypt.compare(password, this.#decoy.hash);
    return matches;
  }
}

/**
 * Returns the bcrypt hash of a password, for a line `USER:HASH` of an htpasswd file.
 * @throws MlistError `ERR_MLIST_USAGE` if the user name cannot be used in an htpasswd file, or if the password is empty
 *   or too long
 */
export async function hashPassword(user: string, password: string): Promise<string> {
  if (!/^[^:\p{Cc}]+$/u.test(user) || user !== user.trim() || user.startsWith('#')) {
    throw new MlistError('ERR_MLIST_USAGE', `invalid user name ${JSON.stringify(user)}`, {
      hint: 'A user name must not be empty, contain colons or control characters, start with "#", or start or end with a space.',
    });
  }
  if (password === '') throw new MlistError('ERR_MLIST_USAGE', `missing password for ${user}`);
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    const message = `the password for ${user} is too long: bcrypt supports at most ${MAX_PASSWORD_BYTES} bytes`;
    throw new MlistError('ERR_MLIST_USAGE', message);
  }
  const bcrypt = new Bcrypt();
  try {
    return await bcrypt.hash(password, BCRYPT_COST);
  } finally {
    await bcrypt.close();
  }
}

function parseLine(line: string, path: string, number: number): readonly [string, Entry] {
  const colon = line.indexOf(':');
  const user = line.slice(0, colon);
  // No supported hash contains a colon, so the text after the second colon is the list of rights.
  const [, text = '', list] = /^([^:]*)(?::(.*))?$/.exec(line.slice(colon + 1)) ?? [];
  const hash = colon > 0 ? parseHash(text) : undefined;
  const rights = list === undefined ? WRITE_ALL : parseRights(list);
  if (hash !== undefined && rights !== undefined) return [user, { hash, rights }];
  const reason =
    colon <= 0
      ? 'the line must have the form USER:HASH or USER:HASH:RIGHTS'
      : hash === undefined
        ? `the hash of user ${JSON.stringify(user)} is not supported: use bcrypt, {SHA} or {SHA256}`
        : `the rights of user ${JSON.stringify(user)} are invalid: use read or write, optionally with :PREFIX`;
  throw new MlistError('ERR_MLIST_USAGE', `${path}:${number} cannot be used: ${reason}`, {
    path,
    ...(hash === undefined
      ? { remedy: { kind: 'hash-password' } }
      : { hint: 'Separate rights with commas, for example "read,write:team/app".' }),
  });
}

function parseHash(text: string): StoredHash | undefined {
  if (/^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./0-9A-Za-z]{53}$/.test(text)) return { scheme: 'bcrypt', hash: text };
  const [, name, digest] = /^\{(SHA|SHA256)\}([A-Za-z0-9+/]+=*)$/.exec(text) ?? [];
  if (digest === undefined) return undefined;
  return { scheme: 'sha', algorithm: name === 'SHA' ? 'sha1' : 'sha256', digest };
}

/**
 * Returns a hash that matches no password. It has the highest cost of the given bcrypt hashes. Without bcrypt hashes,
 * it is a sha256 hash.
 */
function decoyOf(hashes: Iterable<StoredHash>): StoredHash {
  const prefixes = [...hashes].flatMap((stored) => (stored.scheme === 'bcrypt' ? [stored.hash.slice(3, 7)] : []));
  const highest = prefixes.sort().at(-1);
  if (highest === undefined) return { scheme: 'sha', algorithm: 'sha256', digest: '' };
  return { scheme: 'bcrypt', hash: `$2b${highest}${'.'.repeat(53)}` };
}

/** Whether two strings are equal. They are compared in constant time. */
function isEqual(left: string, right: string): boolean {
  const [first, second] = [left, right].map((text) => createHash('sha256').update(text).digest());
  return first !== undefined && second !== undefined && timingSafeEqual(first, second);
}
