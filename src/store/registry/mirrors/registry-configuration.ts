import { getOrCreate } from '../../../async/single-flight.ts';
import { MlistError } from '../../../errors/errors.ts';
import { variable } from '../../environment.ts';
import {
  readDaemonJson,
  readHostsToml,
  readRegistriesConf,
  type ConfigurationPlaces,
  type ReadingOptions,
} from './configuration-files.ts';
import { isInsecureRegistry } from './daemon-json.ts';
import type { RepositoryName } from './mirror-endpoint.ts';
import { parseMirrors, parseMirrorVariable, type MirrorsByRegistry } from './mirror-option.ts';
import { findRule } from './registries-conf.ts';
import { selectEndpoints, type Endpoints } from './select-endpoints.ts';

/** Determines which hosts repositories are read from, and which repositories are blocked. */
export interface RegistryConfiguration {
  /**
   * Returns the hosts that serve a repository, in the order in which they are asked; an empty array if nothing is
   * configured for the repository, which means that it is read from the registry.
   */
  readonly endpointsOf: (repository: RepositoryName, options: ReadingOptions) => Promise<Endpoints>;
  /**
   * Checks that a repository may be used.
   * @throws MlistError `ERR_MLIST_BLOCKED` if a configuration file blocks the repository
   */
  readonly checkAllowed: (repository: RepositoryName, options: ReadingOptions) => Promise<void>;
  /** Whether requests without credentials may be sent to a registry over plain http or unverified TLS. */
  readonly permitsInsecure: (domain: string, options: ReadingOptions) => Promise<boolean>;
}

export interface ConfigurationOptions extends ConfigurationPlaces {
  /** Values of `--mirror`: `HOST=URL[,URL]`. They replace the mirrors of the same registry in `MLIST_MIRRORS`. */
  readonly mirrors?: readonly string[] | undefined;
  /** Whether the files of other tools are read. Default true. */
  readonly readsFiles?: boolean | undefined;
}

/**
 * Combines `mirrors`, `MLIST_MIRRORS` and the configuration files of other tools. Each file is read once, when it
 * is first needed.
 * @throws MlistError `ERR_MLIST_USAGE` if `mirrors` or `MLIST_MIRRORS` is invalid
 */
export function registryConfiguration(options: ConfigurationOptions): RegistryConfiguration {
  const { env, mirrors = [], readsFiles = true } = options;
  const fromVariable = parseMirrorVariable(variable(env, 'MLIST_MIRRORS') ?? '');
  const named: MirrorsByRegistry = new Map([...fromVariable, ...parseMirrors(mirrors, '--mirror')]);
  const files = new ConfigurationFiles(options, readsFiles);
  return {
    endpointsOf: async (repository, reading) => {
      const [matched, hosts, daemon] = await Promise.all([
        files.ruleOf(repository, reading),
        files.hostsOf(repository.domain, reading),
        files.daemon(reading),
      ]);
      const { file, certificates } = hosts ?? {};
      const own = named.get(repository.domain);
      return selectEndpoints(repository, { named: own, matched, hosts: file, certificates, daemon });
    },
    checkAllowed: async (repository, reading) => {
      const matched = await files.ruleOf(repository, reading);
      if (matched?.rule.blocked === true) throw blocked(repository, matched.rule.origin);
    },
    permitsInsecure: async (domain, reading) => {
      const { rule } = findRule(await files.rules(reading), domain) ?? {};
      if (rule?.insecure === true && rule.location === undefined) return true;
      const daemon = await files.daemon(reading);
      return daemon !== undefined && isInsecureRegistry(daemon, domain, addressesOf);
    },
  };
}

/** Reads each configuration file once, when it is first needed. */
class ConfigurationFiles {
  readonly #places: ConfigurationPlaces;
  readonly #isUsed: boolean;
  readonly #hosts = new Map<string, ReturnType<typeof readHostsToml>>();
  #rules: ReturnType<typeof readRegistriesConf> | undefined;
  #daemon: ReturnType<typeof readDaemonJson> | undefined;

  constructor(places: ConfigurationPlaces, isUsed: boolean) {
    this.#places = places;
    this.#isUsed = isUsed;
  }

  rules(options: ReadingOptions): ReturnType<typeof readRegistriesConf> {
    if (!this.#isUsed) return Promise.resolve([]);
    return (this.#rules ??= readRegistriesConf(this.#places, options));
  }

  async ruleOf({ domain, path }: RepositoryName, options: ReadingOptions) {
    return findRule(await this.rules(options), `${domain}/${path}`);
  }

  async daemon(options: ReadingOptions) {
    return this.#isUsed ? (this.#daemon ??= readDaemonJson(this.#places, options)) : undefined;
  }

  async hostsOf(domain: string, options: ReadingOptions) {
    return this.#isUsed
      ? getOrCreate(this.#hosts, domain, () => readHostsToml(domain, this.#places, options))
      : undefined;
  }
}

/** Returns the IP addresses of a host; an empty array if its name cannot be resolved. */
async function addressesOf(host: string): Promise<readonly string[]> {
  const { lookup } = await import('node:dns/promises');
  return lookup(host, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
}

function blocked({ domain, path }: RepositoryName, origin: string): MlistError {
  const reference = `${domain}/${path}`;
  return new MlistError('ERR_MLIST_BLOCKED', `${reference} is blocked by ${origin}`, {
    reference,
    remedy: { kind: 'ignore-registry-configuration', change: 'rule' },
  });
}
