import { chmod, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../../errors/errors.ts';
import { createFolders } from '../../../fs/folders.ts';
import { resolveLinks } from '../../../fs/symlinks.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import { writeFileAtomic } from '../../../fs/atomic.ts';
import { withLock } from '../../../fs/lock.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { removeMember, setMember } from '../../../json/edit-document.ts';
import {
  cannotRead,
  credentialKey,
  helperFor,
  hasNoLogins,
  parseAuthFile,
  spellingsOf,
  type AuthFile,
} from './auth-file.ts';
import {
  eraseFromHelper,
  defaultHelper,
  helperOf,
  programOf,
  storeInHelper,
  type CredentialHelper,
} from './credential-helper.ts';
import { variable } from '../../environment.ts';
import { waitFor } from '../../../async/pending.ts';
import { dockerConfigPath, StoredCredentials, type StoredCredentialsOptions } from './stored-credentials.ts';

/** The user name and password for one registry. */
export interface Login {
  /** The registry as it appears in references, such as `docker.io`. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/** The place where credentials were stored, or from which they were removed. */
export type CredentialLocation =
  { readonly kind: 'helper'; readonly program: string } | { readonly kind: 'file'; readonly path: string };

/**
 * Stores credentials where other tools find them: in the credential helper for the registry or, if no helper is
 * configured, in the credentials file.
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if the file is invalid or the helper fails; `ERR_MLIST_LOCKED` if another
 * process has locked the file
 */
export async function storeLogin(login: Login, options: StoredCredentialsOptions): Promise<CredentialLocation> {
  const path = pathFor(options);
  const file = await contentOf(path);
  const helper = configuredHelper(file.parsed, login.registry, path, options);
  const key = credentialKey(login.registry);
  if (helper !== undefined) {
    const what = `store the credentials in ${programOf(helper)}`;
    await waitFor(options.waiting, what, storeInHelper(helper, key, login.username, login.password));
    return { kind: 'helper', program: programOf(helper) };
  }
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  await edit(path, ({ text }) => setMember(text, ['auths', key], { auth }), options.signal);
  return { kind: 'file', path };
}

/**
 * Removes the credentials for a registry from the credential helper, if there is one, and from the credentials file. In
 * the file, entries for other spellings of the registry are removed, too.
 * @returns the locations from which credentials were removed
 */
export async function eraseLogin(
  registry: string,
  options: StoredCredentialsOptions,
): Promise<readonly CredentialLocation[]> {
  const path = pathFor(options);
  const { parsed } = await contentOf(path);
  const helper = configuredHelper(parsed, registry, path, options);
  const erased: CredentialLocation[] = [];
  if (helper !== undefined) {
    const program = programOf(helper);
    const erasing = eraseFromHelper(helper, credentialKey(registry));
    if (await waitFor(options.waiting, `remove the credentials from ${program}`, erasing))
      erased.push({ kind: 'helper', program });
  }
  if (keysToErase(parsed, registry).length === 0) return erased;
  const removeAll = (content: FileContent) =>
    keysToErase(content.parsed, registry).reduce((text, key) => removeMember(text, ['auths', key]), content.text);
  await edit(path, removeAll, options.signal);
  return [...erased, { kind: 'file', path }];
}

/**
 * Returns the place where the credentials for a registry are found: a path, an environment variable or a program.
 * Returns undefined if there are no credentials.
 */
export async function locationOfLogin(
  registry: string,
  options: StoredCredentialsOptions,
): Promise<string | undefined> {
  if (options.authFile !== undefined && (await contentOf(options.authFile)).isAbsent) return undefined;
  return (await new StoredCredentials(options).find(registry, ''))?.place;
}

function pathFor(options: StoredCredentialsOptions): string {
  return options.authFile ?? variable(options.env, 'REGISTRY_AUTH_FILE') ?? dockerConfigPath(options);
}

/**
 * Returns the helper that a file configures for a registry. If the file is Docker's config.json, and has neither
 * credentials nor helpers, returns the default helper of the system, as Docker does. Returns undefined if there is no
 * helper.
 */
function configuredHelper(
  file: AuthFile,
  registry: string,
  path: string,
  options: StoredCredentialsOptions,
): CredentialHelper | undefined {
  const name = helperFor(file, registry);
  if (name !== undefined) return helperOf(name, options);
  return path === dockerConfigPath(options) && hasNoLogins(file) ? defaultHelper(options) : undefined;
}

function keysToErase({ auths = {} }: AuthFile, registry: string): readonly string[] {
  const key = credentialKey(registry);
  return [...new Set([...(Object.hasOwn(auths, key) ? [key] : []), ...spellingsOf(auths, registry)])];
}

interface FileContent {
  readonly text: string;
  readonly parsed: AuthFile;
  readonly isAbsent: boolean;
}

/**
 * Reads a credentials file that may be edited later. Returns empty content if it does not exist. Refuses invalid files,
 * pipes and devices, which must not be overwritten.
 */
async function contentOf(path: string): Promise<FileContent> {
  try {
    const bytes = await readAtMost(path, { maxBytes: MAX_DOCUMENT_BYTES, onlyFile: true });
    return { text: bytes.toString('utf8'), parsed: parseAuthFile(bytes, path), isAbsent: false };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { text: '', parsed: {}, isAbsent: true };
    throw cannotRead(path, error);
  }
}

/**
 * Edits a file atomically under its lock. A new file is readable by its owner only; an existing one keeps its mode. If
 * the file is a symbolic link, its target is changed.
 */
async function edit(
  filePath: string,
  change: (content: FileContent) => string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await createFolders(dirname(filePath), { mode: 0o700 });
  const path = await resolveLinks(filePath);
  await withLock(
    `${path}.mlist-lock`,
    async (lock) => {
      const content = await contentOf(path);
      const mode = await stat(path).then(
        (info) => info.mode & 0o777,
        () => 0o600,
      );
      await writeFileAtomic(path, change(content), { mode, lock });
      // The umask may have removed permissions from the new file.
      await chmod(path, mode);
    },
    { subject: path, signal },
  );
}
