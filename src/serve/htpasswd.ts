import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { MlistError } from '../errors.ts';
import { readFailure } from '../files/failure.ts';
import { readAtMost } from '../files/read.ts';
import { apr1, shaCrypt } from './crypt.ts';
import { Refusal } from './refusal.ts';

const MAX_BYTES = 16 * 1024 * 1024;

/** Whether a password is the one that a stored text stands for. */
type Check = (password: string) => boolean;

/**
 * Who may use the registry: lines of `user:hash`. Hashes are those that Node can compute: `{SHA}`, `{SHA256}`,
 * `$apr1$`, `$5$` and `$6$`.
 */
export class Htpasswd {
  readonly #checks: ReadonlyMap<string, Check>;
  /** Passwords that proved right, hashed: the slow hash is computed once and not for every request. */
  readonly #proved = new Map<string, Buffer>();
  readonly #pepper = randomBytes(32);

  private constructor(checks: ReadonlyMap<string, Check>) {
    this.#checks = checks;
  }

  /**
   * @param signal - ends the wait for what a pipe brings
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_FILE`; `ERR_MLIST_CREDENTIALS` for a file that is too large, or has
   * a line that cannot be used, which does not say the hash; the abort's reason
   */
  static async load(path: string, signal?: AbortSignal): Promise<Htpasswd> {
    const bytes = await readAtMost(path, { maxBytes: MAX_BYTES, signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw readFailure(path, error);
    });
    if (bytes.length > MAX_BYTES) {
      const message = `${path} cannot be used: it has more than ${MAX_BYTES} bytes`;
      throw new MlistError('ERR_MLIST_CREDENTIALS', message, { path });
    }
    const lines = bytes
      .toString('utf8')
      .split(/\r?\n/)
      .map((line, at) => ({ line: line.trim(), number: at + 1 }));
    const used = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
    return new Htpasswd(new Map(used.map(({ line, number }) => entryOf(line, `${path}:${number}`, path))));
  }

  /** @throws Refusal 401 unless the header names a user of the file with the right password (RFC 7617). */
  check(authorization: string | undefined): void {
    const encoded = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(authorization ?? '')?.[1] ?? '';
    const [, user = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
    if (this.#isRight(user, password)) return;
    const challenge = { 'www-authenticate': 'Basic realm="mlist", charset="UTF-8"' };
    throw new Refusal(401, { code: 'UNAUTHORIZED', message: 'a user name and password are needed' }, challenge);
  }

  #isRight(user: string, password: string): boolean {
    const check = this.#checks.get(user);
    if (check === undefined) return false;
    const given = createHash('sha256').update(this.#pepper).update(password).digest();
    const proved = this.#proved.get(user);
    if (proved !== undefined && timingSafeEqual(proved, given)) return true;
    if (!check(password)) return false;
    this.#proved.set(user, given);
    return true;
  }
}

function entryOf(line: string, place: string, path: string): readonly [string, Check] {
  const colon = line.indexOf(':');
  const stored = line.slice(colon + 1);
  const check = colon > 0 ? checkOf(stored) : undefined;
  if (check !== undefined) return [line.slice(0, colon), check];
  const isBcrypt = /^\$2[abxy]?\$/.test(stored);
  const reason = isBcrypt
    ? 'bcrypt is not part of Node'
    : 'it is not of the form user:hash, or of another kind of hash';
  throw new MlistError('ERR_MLIST_CREDENTIALS', `${place} cannot be used: ${reason}`, {
    path,
    hint: 'Write {SHA}, {SHA256}, $apr1$, $5$ or $6$: "openssl passwd -6" makes the last.',
  });
}

function checkOf(stored: string): Check | undefined {
  const [, scheme, digest] = /^\{(SHA|SHA256)\}([A-Za-z0-9+/]+=*)$/.exec(stored) ?? [];
  if (scheme !== undefined && digest !== undefined) {
    const algorithm = scheme === 'SHA' ? 'sha1' : 'sha256';
    return (password) => equal(createHash(algorithm).update(password).digest('base64'), digest);
  }
  const [, salt] = /^\$apr1\$([^$:]{1,8})\$[./0-9A-Za-z]{22}$/.exec(stored) ?? [];
  if (salt !== undefined) return (password) => equal(apr1(password, salt), stored);
  const sha = /^\$([56])\$(?:rounds=(\d{4,7})\$)?([^$:]{1,16})\$(?:[./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/.exec(stored);
  if (sha === null) return undefined;
  const [, kind, rounds, shaSalt = ''] = sha;
  const count = rounds === undefined ? undefined : Number(rounds);
  return (password) => equal(shaCrypt(kind === '5' ? '5' : '6', password, shaSalt, count), stored);
}

/** Compared in a time that does not tell how much of it is right. */
function equal(left: string, right: string): boolean {
  const [one, other] = [left, right].map((text) => createHash('sha256').update(text).digest());
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}
