import { MlistError } from '../../../errors/errors.ts';
import { apiHost } from '../http/address.ts';
import type { HostCertificates } from '../http/certificates.ts';
import type { DaemonConfiguration } from './daemon-json.ts';
import type { HostAddress, HostsFile, HostSettings } from './hosts-toml.ts';
import {
  allCapabilities,
  apiPathOf,
  isHostOf,
  isRepositoryAddress,
  registryItself,
  type ConfiguredEndpoint,
  type MirrorAddress,
  type RuleOrigin,
  type RegistryItself,
  type RepositoryName,
} from './mirror-endpoint.ts';
import type { NamedMirrors } from './mirror-option.ts';
import type { MatchedRule } from './registries-conf.ts';

/** The configuration of one repository, from all sources. */
export interface RepositoryConfiguration {
  /** The mirrors from `--mirror` and `MLIST_MIRRORS`. */
  readonly named?: NamedMirrors | undefined;
  /** The rule of registries.conf that applies to the repository. */
  readonly matched?: MatchedRule | undefined;
  readonly hosts?: HostsFile | undefined;
  /** The certificates for the settings in `hosts` that specify certificate files, keyed by these settings. */
  readonly certificates?: ReadonlyMap<HostSettings, HostCertificates> | undefined;
  readonly daemon?: DaemonConfiguration | undefined;
}

/**
 * Hosts that serve a repository. The last one is the registry, or the host that replaces it; all others are mirrors.
 */
export type Endpoints = readonly (ConfiguredEndpoint | RegistryItself)[];

/**
 * Selects the hosts that serve a repository, in the order in which they are asked. Uses only the first of these sources
 * that configures mirrors or another host for the repository: `--mirror`, registries.conf, hosts.toml with hosts,
 * daemon.json, hosts.toml with only a server. The function is pure.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if a rule of registries.conf rewrites the repository to an invalid name
 * @returns an empty array if nothing is configured for the repository
 */
export function selectEndpoints(repository: RepositoryName, configuration: RepositoryConfiguration): Endpoints {
  const { named, matched, hosts, daemon } = configuration;
  const registry = registryEndpoint(repository, matched);
  if (named !== undefined)
    return [...named.addresses.map((address) => namedEndpoint(repository, address, named.origin)), registry];
  if (matched !== undefined && (matched.rule.mirrors.length > 0 || matched.rule.location !== undefined))
    return ruleEndpoints(repository, matched);
  if (hosts !== undefined && hosts.hosts.length > 0) return hostsEndpoints(repository, hosts, configuration);
  if (repository.domain === 'docker.io' && daemon !== undefined && daemon.mirrors.length > 0)
    return [
      ...daemon.mirrors.map((address) => mirrorEndpoint(repository, address, `${daemon.path}, registry-mirrors`)),
      registry,
    ];
  if (hosts !== undefined) return hostsEndpoints(repository, hosts, configuration);
  return registry.kind === 'registry' ? [] : [registry];
}

const common = { kind: 'endpoint', permitsInsecure: false, trustsHttp: false, headers: {} } as const;

/**
 * Returns the endpoint of a mirror from `--mirror` or `MLIST_MIRRORS`. The part of its path after `/v2/` is added to
 * the repository name instead of the API path, because the scope of a token must contain the full name.
 */
function namedEndpoint(repository: RepositoryName, address: MirrorAddress, origin: RuleOrigin): ConfiguredEndpoint {
  const endpoint = { ...mirrorEndpoint(repository, address, origin), trustsHttp: true };
  const namespace = /^\/v2\/(.+)$/.exec(address.path)?.[1];
  return namespace === undefined
    ? endpoint
    : { ...endpoint, apiPath: '/v2', repository: `${namespace}/${repository.path}` };
}

function mirrorEndpoint(
  { domain, path }: RepositoryName,
  { host, scheme, path: mirrorPath }: MirrorAddress,
  origin: RuleOrigin,
): ConfiguredEndpoint {
  return {
    ...common,
    host,
    scheme,
    apiPath: apiPathOf(mirrorPath),
    repository: path,
    namespace: domain,
    capabilities: allCapabilities,
    origin,
  };
}

/**
 * Returns the registry itself, or an endpoint with its address if a rule sets `insecure` for a part of the registry.
 * For whole registries, `RegistryConfiguration.permitsInsecure` applies instead.
 */
function registryEndpoint(
  repository: RepositoryName,
  matched: MatchedRule | undefined,
): ConfiguredEndpoint | RegistryItself {
  const isPart = matched?.rule.prefix.includes('/') === true;
  if (matched === undefined || !isPart || !matched.rule.insecure) return registryItself;
  return locatedEndpoint(`${repository.domain}/${repository.path}`, matched.rule);
}

function ruleEndpoints(repository: RepositoryName, { rule, rest }: MatchedRule): Endpoints {
  const mirrors = rule.mirrors.map((mirror) => ({
    ...locatedEndpoint(`${mirror.location}${rest}`, mirror),
    capabilities: mirror.capabilities,
  }));
  if (rule.location === undefined) return [...mirrors, registryEndpoint(repository, { rule, rest })];
  const isSame = `${rule.location}${rest}` === `${repository.domain}/${repository.path}`;
  return [...mirrors, isSame && !rule.insecure ? registryItself : locatedEndpoint(`${rule.location}${rest}`, rule)];
}

interface Located {
  readonly insecure: boolean;
  readonly origin: RuleOrigin;
}

/**
 * Returns the endpoint for a name to which registries.conf rewrites a reference.
 * @param name - `HOST[:PORT]/REPOSITORY`; the path of a mirror is a part of the repository
 */
function locatedEndpoint(name: string, { insecure, origin }: Located): ConfiguredEndpoint {
  if (!isRepositoryAddress(name)) {
    const message = `${origin} rewrites a reference to an invalid repository name: ${name}`;
    throw new MlistError('ERR_MLIST_CONFIGURATION', message);
  }
  const slash = name.indexOf('/');
  return {
    ...common,
    host: name.slice(0, slash),
    apiPath: '/v2',
    repository: name.slice(slash + 1),
    capabilities: allCapabilities,
    permitsInsecure: insecure,
    origin,
  };
}

function hostsEndpoints(
  repository: RepositoryName,
  { hosts, server }: HostsFile,
  { certificates, matched }: RepositoryConfiguration,
): Endpoints {
  const endpointOf = (settings: HostSettings, address: HostAddress) =>
    hostEndpoint(repository, settings, address, certificates?.get(settings));
  const mirrors = hosts.map((entry) => endpointOf(entry, entry.address));
  if (isRegistryItself(server, repository.domain)) return [...mirrors, registryEndpoint(repository, matched)];
  const { address = { scheme: 'https', host: apiHost(repository.domain), apiPath: '/v2' } } = server;
  return [...mirrors, endpointOf(server, address)];
}

/**
 * Whether the settings of a server, apart from the capability `referrers`, are the defaults of the registry, and
 * therefore have no effect.
 */
function isRegistryItself({ address, capabilities, hasTlsSettings, headers }: HostsFile['server'], domain: string) {
  const isOwnAddress =
    address === undefined ||
    (isHostOf(address.host, domain) && address.scheme === 'https' && address.apiPath === '/v2');
  const isLimited = !capabilities.tags || !capabilities.digests;
  return isOwnAddress && !hasTlsSettings && !isLimited && Object.keys(headers).length === 0;
}

function hostEndpoint(
  { domain, path }: RepositoryName,
  { capabilities, skipVerify, hasTlsSettings, headers, origin }: HostSettings,
  { scheme, host, apiPath }: HostAddress,
  certificates: HostCertificates | undefined,
): ConfiguredEndpoint {
  const fallsBack = scheme === 'http' && hasTlsSettings && new URL(`http://${host}`).port !== '';
  return {
    ...common,
    host,
    scheme: fallsBack ? 'https' : scheme,
    apiPath,
    repository: path,
    namespace: isHostOf(host, domain) ? undefined : domain,
    capabilities,
    permitsInsecure: skipVerify || fallsBack,
    certificates,
    headers,
    origin,
  };
}
