import { MlistError } from '../../../errors/errors.ts';
import { apiHost } from '../http/address.ts';
import type { HostCertificates } from '../http/certificates.ts';

/** The common types into which all formats of registry configuration are parsed. */

/** A repository of a registry, as references name it. */
export interface RepositoryName {
  /** Host with an optional port; `docker.io` for Docker Hub. */
  readonly domain: string;
  readonly path: string;
}

/** Which requests an endpoint may receive. */
export interface Capabilities {
  /** Requests that resolve a tag. */
  readonly tags: boolean;
  /** Requests for content by digest. */
  readonly digests: boolean;
  readonly referrers: boolean;
}

/** A host that serves the content of a repository. */
export interface ConfiguredEndpoint {
  readonly kind: 'endpoint';
  /** Host with an optional port. It is also the key for credentials. */
  readonly host: string;
  /** Default: http for this machine and https for others, as for registries without configuration. */
  readonly scheme?: 'https' | 'http' | undefined;
  /** The path of the API: `/v2`, or another one such as `/proxy/v2`. May be empty. */
  readonly apiPath: string;
  /** The repository at this host. */
  readonly repository: string;
  /** The query parameter `ns`, which names the registry to a mirror of several registries. Default: not sent. */
  readonly namespace?: string | undefined;
  readonly capabilities: Capabilities;
  /** Permits plain http and unverified TLS for requests without credentials. */
  readonly permitsInsecure: boolean;
  /** Whether credentials may be sent over plain http, because the user has configured this address for mlist. */
  readonly trustsHttp: boolean;
  readonly certificates?: HostCertificates | undefined;
  /** Headers for every request, with names in lower case. The values of those that authenticate are secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly origin: RuleOrigin;
}

/** The registry that the reference names, accessed as without any configuration. */
export interface RegistryItself {
  readonly kind: 'registry';
  readonly capabilities: Capabilities;
}

/** The file and the line of a rule, such as `/etc/containers/registries.conf:3, prefix "docker.io"`. */
export type RuleOrigin = string;

export const allCapabilities: Capabilities = { tags: true, digests: true, referrers: true };

export const registryItself: RegistryItself = { kind: 'registry', capabilities: allCapabilities };

/** Whether a host is the registry of this domain. The API of Docker Hub has another host than its references. */
export function isHostOf(host: string, domain: string): boolean {
  return host === domain || host === apiHost(domain);
}

/** The address of a mirror: `SCHEME://HOST[:PORT][/PATH]`. */
export interface MirrorAddress {
  readonly scheme: 'https' | 'http';
  readonly host: string;
  /** The path without a slash at the end; empty for the root. */
  readonly path: string;
}

/**
 * Parses the address of a mirror.
 * @returns the address, or the reason why it is invalid, which does not quote the text because it may contain a
 * password
 */
export function parseMirrorAddress(text: string): MirrorAddress | string {
  const scheme = /^(https?):\/\/[^/]/.exec(text)?.[1];
  if ((scheme !== 'https' && scheme !== 'http') || !URL.canParse(text))
    return 'the address of a mirror must begin with http:// or https:// and a host';
  const url = new URL(text);
  const { host, username, password, search, hash } = url;
  if (username !== '' || password !== '') return 'the address of a mirror must not contain a user name or a password';
  if (search !== '' || hash !== '') return 'the address of a mirror must not contain a query or a fragment';
  return { scheme, host, path: normalizedPath(url) };
}

/** The path of a URL, without repeated slashes and without a slash at its end. */
export function normalizedPath({ pathname }: URL): string {
  return pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '');
}

/** The path of the API of a host, `PATH/v2`, for the normalized path of its address. */
export function apiPathOf(path: string): string {
  return path.endsWith('/v2') ? path : `${path}/v2`;
}

/**
 * Whether a name has the form `HOST[:PORT][/PATH]`. The name must not contain anything that changes where a request is
 * sent: a user name, a query, a fragment, or a path segment of dots.
 */
export function isRepositoryAddress(name: string): boolean {
  const [host = '', ...segments] = name.split('/');
  return (
    /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?$/i.test(host) &&
    URL.canParse(`https://${host}`) &&
    segments.every((segment) => /^[\w.:@-]+$/.test(segment) && !/^\.+$/.test(segment))
  );
}

/** The error for a configuration file that cannot be used. */
export function invalidConfiguration(path: string, line: number | undefined, reason: string): MlistError {
  const place = line === undefined ? path : `${path}:${line}`;
  return new MlistError('ERR_MLIST_CONFIGURATION', `${place} cannot be used: ${reason}`, {
    path,
    remedy: { kind: 'ignore-registry-configuration', change: 'file' },
  });
}

/** The number of the line that contains a character. Lines start at 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Whether a header may authenticate, such as `authorization` and `private-token`. */
export function isAuthenticating(name: string): boolean {
  return /auth|cookie|token|key|secret|passw|credential|session|signature/.test(name);
}
