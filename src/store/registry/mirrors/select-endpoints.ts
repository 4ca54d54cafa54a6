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

/** Everything that is configured for one repository. */
export interface RepositoryConfiguration {
  /** The mirrors from `--mirror` and `MLIST_MIRRORS`. */
  readonly named?: NamedMirrors | undefined;
  /** The rule of registries.conf. */
  readonly matched?: MatchedRule | undefined;
  readonly hosts?: HostsFile | undefined;
  /** The certificates of those entries of `hosts` that name certificate files. */
  readonly certificates?: ReadonlyMap<HostSettings, HostCertificates> | undefined;
  readonly daemon?: DaemonConfiguration | undefined;
}

/**
 * Hosts that serve a repository. The last one is the registry, or the host that replaces it; all others are mirrors.
 */
export type Endpoints = readonly (ConfiguredEndpoint | RegistryItself)[];

/**
 * Selects the hosts that serve a repository, in the order in which they are asked. The first of these sources that has
 * mirrors or another host for the repository is used, and the others are ignored: `--mirror`, registries.conf,
 * hosts.toml with hosts, daemon.json, hosts.toml with only a server. Pure.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if a rule of registries.conf results in an invalid name
 * @returns an empty array if the registry is accessed as without any configuration
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

/** A path that begins with `/v2/` names a namespace at the mirror, so that tokens are requested for that name. */
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
 * The registry itself. A rule for a part of the registry may set `insecure`; for a whole registry, `permitsInsecure` is
 * looked up later.
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
 * The endpoint for a name to which registries.conf rewrites a reference.
 * @param name - `HOST[:PORT]/REPOSITORY`; the path of a mirror is a part of the repository
 */
function locatedEndpoint(name: string, { insecure, origin }: Located): ConfiguredEndpoint {
  if (!isRepositoryAddress(name)) {
    const message = `${origin} replaces a reference with ${name}, which does not name a repository`;
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

/** Whether the settings of a server equal the defaults of the registry, so that they have no effect. */
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
