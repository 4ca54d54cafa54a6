import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import { isNotFound, readReason } from '../../../fs/file-errors.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import { variable, type Environment } from '../../environment.ts';
import { readPem, type HostCertificates } from '../http/certificates.ts';
import { parseDaemonJson, type DaemonConfiguration } from './daemon-json.ts';
import { parseHostsToml, type HostsFile, type HostSettings } from './hosts-toml.ts';
import { invalidConfiguration } from './mirror-endpoint.ts';
import { mergeRules, parseRegistriesConf, type RegistryRule } from './registries-conf.ts';

/** This module finds and reads the registry configuration of podman, containerd and Docker (docs/mirrors.md). */

export interface ConfigurationPlaces {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /**
   * The folder with the system-wide configuration. Default: `/etc`. There is no default on Windows, where the only
   * system-wide file is Docker's daemon.json in `%ProgramData%`.
   */
  readonly systemFolder?: string | undefined;
}

export interface ReadingOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

const MAX_BYTES = 1024 * 1024;

function systemFolderOf({ platform, systemFolder }: ConfigurationPlaces): string | undefined {
  return systemFolder ?? (platform === 'win32' ? undefined : '/etc');
}

function userFolderOf({ env, home }: ConfigurationPlaces): string {
  return variable(env, 'XDG_CONFIG_HOME') ?? join(home, '.config');
}

/**
 * Reads the rules of registries.conf and its drop-in files. The path of registries.conf comes from
 * `CONTAINERS_REGISTRIES_CONF` or `REGISTRIES_CONFIG_PATH`; if neither is set, the user's file is read or, if it does
 * not exist, the system's file. If the user's file is read, the system's drop-in files are ignored.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if a file cannot be read or is invalid
 */
export async function readRegistriesConf(
  places: ConfigurationPlaces,
  options: ReadingOptions,
): Promise<readonly RegistryRule[]> {
  const { named, file, dropIns } = registriesConfFiles(places);
  const texts = await Promise.all(
    [...(file === undefined ? [] : [file]), ...dropIns].map(async (path) => {
      const bytes = await readConfiguration(path, options);
      if (bytes === undefined && path === named)
        throw invalidConfiguration(path, undefined, 'an environment variable specifies it, but it does not exist');
      return { path, text: bytes?.toString('utf8') ?? '' };
    }),
  );
  let rules: readonly RegistryRule[] = [];
  for (const { path, text } of texts) {
    if (text.trim() !== '') rules = mergeRules(rules, await parseRegistriesConf(text, path));
  }
  return rules;
}

export interface RegistriesConfFiles {
  /** The path in `CONTAINERS_REGISTRIES_CONF` or `REGISTRIES_CONFIG_PATH`, if one of them is set. It must exist. */
  readonly named: string | undefined;
  /** The registries.conf that is read, if it exists. Undefined on Windows without `named` and without a user's file. */
  readonly file: string | undefined;
  readonly dropIns: readonly string[];
}

/**
 * Finds the files that may contain rules of registries.conf.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if a folder cannot be read
 */
export function registriesConfFiles(places: ConfigurationPlaces): RegistriesConfFiles {
  const system = systemFolderOf(places);
  const [userFile, systemFile] = [userFolderOf(places), system].map(
    (folder) => folder && join(folder, 'containers', 'registries.conf'),
  );
  const named = variable(places.env, 'CONTAINERS_REGISTRIES_CONF') ?? variable(places.env, 'REGISTRIES_CONFIG_PATH');
  const isUsers = named === undefined && userFile !== undefined && exists(userFile);
  const file = named ?? (isUsers ? userFile : systemFile);
  const folders = [isUsers ? undefined : systemFile, userFile].flatMap((path) => (path ? `${path}.d` : []));
  return { named, file, dropIns: folders.flatMap(dropInsIn) };
}

function dropInsIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    const names = entries.flatMap((entry) => (entry.isDirectory() ? [] : [entry.name]));
    return names
      .filter((name) => name.endsWith('.conf'))
      .sort()
      .map((name) => join(folder, name));
  } catch (thrown) {
    if (isNotFound(thrown)) return [];
    throw unreadable(folder, thrown);
  }
}

/**
 * Reads the first daemon.json that exists and that mlist is permitted to read. Returns undefined if no such file
 * exists.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if the file is invalid, or if reading it fails, except for missing
 * permission
 */
export async function readDaemonJson(
  places: ConfigurationPlaces,
  options: ReadingOptions,
): Promise<DaemonConfiguration | undefined> {
  for (const path of daemonJsonPaths(places)) {
    const bytes = await readOptional(path, options);
    if (bytes !== undefined) return parseDaemonJson(bytes, path);
  }
  return undefined;
}

/** Returns the paths of daemon.json in the order in which they are tried: rootless Docker, Docker Desktop, system. */
export function daemonJsonPaths(places: ConfigurationPlaces): readonly string[] {
  const { env, home, platform } = places;
  const system = systemFolderOf(places);
  const programData = platform === 'win32' ? variable(env, 'ProgramData') : undefined;
  return [
    platform === 'win32' ? undefined : join(userFolderOf(places), 'docker', 'daemon.json'),
    join(home, '.docker', 'daemon.json'),
    system === undefined ? undefined : join(system, 'docker', 'daemon.json'),
    programData === undefined ? undefined : join(programData, 'docker', 'config', 'daemon.json'),
  ].filter((path) => path !== undefined);
}

export interface FoundHostsFile {
  readonly file: HostsFile;
  readonly certificates: ReadonlyMap<HostSettings, HostCertificates>;
}

/**
 * Reads the hosts.toml for a registry from the first `certs.d` folder that has one; undefined if no folder has one.
 * In each `certs.d`, only the first of these folders that exists is used: `HOST_PORT_`, `HOST:PORT`, `_default`.
 */
export async function readHostsToml(
  domain: string,
  places: ConfigurationPlaces,
  options: ReadingOptions,
): Promise<FoundHostsFile | undefined> {
  for (const root of hostsFolders(places)) {
    const folder = folderNames(domain, places.platform)
      .map((name) => join(root, name))
      .find(exists);
    const path = folder && join(folder, 'hosts.toml');
    const bytes = path === undefined ? undefined : await readOptional(path, options);
    if (folder === undefined || path === undefined || bytes === undefined) continue;
    const file = await parseHostsToml(bytes.toString('utf8'), path);
    return { file, certificates: await readCertificates(file, folder, options) };
  }
  return undefined;
}

/** Returns the `certs.d` folders that may have a hosts.toml, in the order in which they are searched. */
export function hostsFolders(places: ConfigurationPlaces): readonly string[] {
  const user = userFolderOf(places);
  const system = systemFolderOf(places);
  const parents = [user, system].flatMap((folder) => (folder === undefined ? [] : [folder]));
  return ['containerd', 'docker'].flatMap((tool) => parents.map((folder) => join(folder, tool, 'certs.d')));
}

function folderNames(domain: string, platform: NodeJS.Platform): readonly string[] {
  const [, host, port] = /^(.+):(\d+)$/.exec(domain) ?? [];
  const withUnderscores = host === undefined || port === undefined ? [] : [`${host}_${port}_`];
  const plain = platform === 'win32' ? domain.replaceAll(':', '') : domain;
  return [...withUnderscores, plain, '_default'];
}

async function readCertificates(
  { hosts, server }: HostsFile,
  folder: string,
  { signal }: ReadingOptions,
): Promise<ReadonlyMap<HostSettings, HostCertificates>> {
  const found = new Map<HostSettings, HostCertificates>();
  for (const settings of [...hosts, server]) {
    const { ca, client } = settings;
    if (ca.length === 0 && client === undefined) continue;
    const read = (path: string) =>
      readPem(resolve(folder, path), signal).catch((thrown: unknown) => {
        signal?.throwIfAborted();
        if (!(thrown instanceof MlistError)) throw thrown;
        throw invalidConfiguration(join(folder, 'hosts.toml'), undefined, thrown.message);
      });
    const authorities = await Promise.all(ca.map(read));
    const [cert, key] = client === undefined ? [] : await Promise.all(client.map(read));
    const pair = cert === undefined || key === undefined ? undefined : { cert, key };
    found.set(settings, { folder, authorities, client: pair });
  }
  return found;
}

/**
 * Reads a file that can block registries, and therefore must not be ignored. Fails if the file exists, but cannot be
 * read. Returns undefined if it does not exist.
 */
async function readConfiguration(path: string, options: ReadingOptions): Promise<Buffer | undefined> {
  try {
    return await readLimited(path, options);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    throw unreadable(path, thrown);
  }
}

/**
 * Reads a file that cannot block registries. Returns undefined if it does not exist, or, with a warning, if there is no
 * permission to read it.
 */
async function readOptional(path: string, options: ReadingOptions): Promise<Buffer | undefined> {
  try {
    return await readLimited(path, options);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    const code = errorCode(thrown);
    if (code !== 'EACCES' && code !== 'EPERM') throw unreadable(path, thrown);
    options.onWarning?.(`${path} is ignored: no permission to read it (${code})`);
    return undefined;
  }
}

async function readLimited(path: string, { signal }: ReadingOptions): Promise<Buffer | undefined> {
  if (!exists(path)) return undefined;
  try {
    const bytes = await readAtMost(path, { maxBytes: MAX_BYTES, signal });
    if (bytes.length <= MAX_BYTES) return bytes;
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined;
    throw thrown;
  }
  throw invalidConfiguration(path, undefined, `it is larger than ${MAX_BYTES} bytes`);
}

function unreadable(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CONFIGURATION') return thrown;
  return invalidConfiguration(path, undefined, readReason(thrown));
}

/** Whether a path exists. True if this cannot be determined, because reading the file then fails with the reason. */
function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    return !isNotFound(thrown);
  }
}
