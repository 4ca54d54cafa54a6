import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError } from '../../errors/errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { variable } from '../../store/environment.ts';
import {
  daemonJsonPaths,
  hostsFolders,
  registriesConfFiles,
  type ConfigurationPlaces,
  type RegistriesConfFiles,
} from '../../store/registry/mirrors/configuration-files.ts';
import { parseDaemonJson } from '../../store/registry/mirrors/daemon-json.ts';
import { parseHostsToml } from '../../store/registry/mirrors/hosts-toml.ts';
import { parseMirrorVariable } from '../../store/registry/mirrors/mirror-option.ts';
import { parseRegistriesConf } from '../../store/registry/mirrors/registries-conf.ts';
import { isNotFound, readReason } from '../../fs/file-errors.ts';
import type { FoundFile, DiagnosisOptions } from './diagnosis-options.ts';

/** A configured rule for a registry or a part of it: mirrors, a replacement, or a block. */
export interface MirrorRule {
  /** A host, or a prefix of registries.conf such as `docker.io/library`. */
  readonly registry: string;
  /** The mirrors in order, followed by the location that replaces the registry, if one is configured. */
  readonly hosts: readonly string[];
  readonly isBlocked: boolean;
  /** The file or variable with the rule. */
  readonly from: string;
}

export interface ConfiguredMirrors {
  /** Whether `MLIST_NO_MIRRORS` makes mlist ignore everything that is listed here. */
  readonly isOff: boolean;
  /** The configuration files that exist, the folders that cannot be read, and `MLIST_MIRRORS` if it is invalid. */
  readonly files: readonly FoundFile[];
  readonly rules: readonly MirrorRule[];
}

type Parse = (bytes: Buffer, path: string) => readonly MirrorRule[] | Promise<readonly MirrorRule[]>;

const MAX_BYTES = 1024 * 1024;
/** The maximum number of hosts.toml files that are examined below one folder. */
const MAX_HOSTS = 100;

/**
 * Reads the rules in `MLIST_MIRRORS`, registries.conf, daemon.json and hosts.toml. The problem of an invalid file is
 * returned in `files`, and its rules are omitted.
 */
export async function configuredMirrors(options: DiagnosisOptions): Promise<ConfiguredMirrors> {
  const { env, signal } = options;
  const files: FoundFile[] = [];
  const examine = async (path: string, parse: Parse): Promise<readonly MirrorRule[]> => {
    try {
      const rules = await parse(await readAtMost(path, { maxBytes: MAX_BYTES, signal }), path);
      files.push({ path });
      return rules;
    } catch (thrown) {
      if (isNotFound(thrown)) return [];
      files.push({ path, problem: asReason(thrown) });
      return [];
    }
  };
  const { file, dropIns } = registriesConf(options, files);
  const rules: MirrorRule[] = [...inVariable(variable(env, 'MLIST_MIRRORS') ?? '', files)];
  for (const path of [...(file === undefined ? [] : [file]), ...dropIns])
    rules.push(...(await examine(path, inRegistriesConf)));
  for (const path of daemonJsonPaths(options)) rules.push(...(await examine(path, inDaemonJson)));
  for (const folder of hostsFolders(options))
    for (const name of await hostsIn(folder, files))
      rules.push(...(await examine(join(folder, name, 'hosts.toml'), inHostsToml(name))));
  return { isOff: variable(env, 'MLIST_NO_MIRRORS') !== undefined, files, rules };
}

function registriesConf(places: ConfigurationPlaces, files: FoundFile[]): Omit<RegistriesConfFiles, 'named'> {
  try {
    return registriesConfFiles(places);
  } catch (thrown) {
    const { message, facts } = asMlistError(thrown);
    files.push({ path: facts.path ?? 'registries.conf', problem: message });
    return { file: undefined, dropIns: [] };
  }
}

async function hostsIn(folder: string, files: FoundFile[]): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort().slice(0, MAX_HOSTS);
  } catch (thrown) {
    if (!isNotFound(thrown)) files.push({ path: folder, problem: readReason(thrown) });
    return [];
  }
}

function asReason(thrown: unknown): string {
  const error = asMlistError(thrown);
  return error.code === 'ERR_MLIST_CONFIGURATION' ? error.message : readReason(thrown);
}

function inVariable(text: string, files: FoundFile[]): readonly MirrorRule[] {
  try {
    return [...parseMirrorVariable(text)].map(([registry, { addresses, origin }]) => ({
      registry,
      hosts: addresses.map(({ host }) => host),
      isBlocked: false,
      from: origin,
    }));
  } catch (thrown) {
    files.push({ path: 'MLIST_MIRRORS', problem: asMlistError(thrown).message });
    return [];
  }
}

async function inRegistriesConf(bytes: Buffer, path: string): Promise<readonly MirrorRule[]> {
  const rules = await parseRegistriesConf(bytes.toString('utf8'), path);
  return rules.map(({ prefix, location, blocked, mirrors }) => ({
    registry: prefix,
    hosts: [
      ...mirrors.map((mirror) => mirror.location),
      ...(location === undefined || location === prefix ? [] : [location]),
    ],
    isBlocked: blocked,
    from: path,
  }));
}

function inDaemonJson(bytes: Buffer, path: string): readonly MirrorRule[] {
  const { mirrors } = parseDaemonJson(bytes, path);
  if (mirrors.length === 0) return [];
  return [{ registry: 'docker.io', hosts: mirrors.map(({ host }) => host), isBlocked: false, from: path }];
}

function inHostsToml(registry: string): Parse {
  return async (bytes, path) => {
    const { hosts } = await parseHostsToml(bytes.toString('utf8'), path);
    if (hosts.length === 0) return [];
    return [{ registry, hosts: hosts.map(({ address }) => address.host), isBlocked: false, from: path }];
  };
}
