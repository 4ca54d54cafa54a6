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

/** Finds and reads the registry configuration of containers' tools, containerd and Docker (docs/mirrors.md). */

export interface ConfigurationPlaces {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** The folder of system-wide configuration. Default `/etc`; unused on Windows, where Docker has `%ProgramData%`. */
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
 * The rules of registries.conf: those of the file in `CONTAINERS_REGISTRIES_CONF`, else of the user's file, else of the
 * system's file, followed by those of the drop-in files. The user's file hides the file and the drop-ins of the system.
 * @throws MlistError `ERR_MLIST_CONFIGURATION`
 */
export async function readRegistriesConf(
  places: ConfigurationPlaces,
  options: ReadingOptions,
): Promise<readonly RegistryRule[]> {
  const { named, file, dropIns } = registriesConfFiles(places);
  const texts = await Promise.all(
    [...(file === undefined ? [] : [file]), ...dropIns].map(async (path) => {
      const bytes = await readConfiguration(path, options);
      if (bytes === undefined && path === named) throw invalidConfiguration(path, undefined, 'it does not exist');
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
  /** The file that a variable names. It must exist. */
  readonly named: string | undefined;
  /** The file that is read, if it exists. */
  readonly file: string | undefined;
  readonly dropIns: readonly string[];
}

/**
 * The files that contain the rules of registries.conf.
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

/** The first daemon.json that exists: of rootless Docker, of Docker Desktop, of the system. */
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

/** The possible paths of daemon.json. The first file that exists is read. */
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
 * The hosts.toml for a registry, from the first `certs.d` that has one. In each `certs.d`, the first folder that exists
 * is used: HOST_PORT_, HOST:PORT, _default.
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

/**
 * The `certs.d` folders with a hosts.toml for each registry. For each registry, the first folder with a file for it is
 * used.
 */
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
 * Reads a file whose rules must not be ignored, so that a file that cannot be read is an error. Undefined if it does
 * not exist.
 */
async function readConfiguration(path: string, options: ReadingOptions): Promise<Buffer | undefined> {
  try {
    return await readLimited(path, options);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    throw unreadable(path, thrown);
  }
}

/** Reads a file that cannot block registries, so that a file without read permission is skipped with a warning. */
async function readOptional(path: string, options: ReadingOptions): Promise<Buffer | undefined> {
  try {
    return await readLimited(path, options);
  } catch (thrown) {
    options.signal?.throwIfAborted();
    const code = errorCode(thrown);
    if (code !== 'EACCES' && code !== 'EPERM') throw unreadable(path, thrown);
    options.onWarning?.(`${path} is not used: it cannot be read (${code})`);
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
  throw invalidConfiguration(path, undefined, `it has more than ${MAX_BYTES} bytes`);
}

function unreadable(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_CONFIGURATION') return thrown;
  return invalidConfiguration(path, undefined, `it cannot be read: ${readReason(thrown)}`);
}

/** Whether a file exists. True for a file that cannot be examined: reading it later reports the reason. */
function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    return !isNotFound(thrown);
  }
}
