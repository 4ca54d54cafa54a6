import { MlistError } from '../../../errors/errors.ts';
import { apiHost } from '../http/address.ts';
import type { HostCertificates } from '../http/certificates.ts';

/** This module contains the types and checks that the parsers of all registry configuration formats share. */

/** The name of a repository in references. */
export interface RepositoryName {
  /** Host with an optional port; `docker.io` for Docker Hub. */
  readonly domain: string;
  readonly path: string;
}

/** The kinds of requests that an endpoint may receive. */
export interface Capabilities {
  /** Requests by tag, and requests for the list of tags. */
  readonly tags: boolean;
  /** Requests for content by digest. */
  readonly digests: boolean;
  readonly referrers: boolean;
}

/** A configured host that serves the content of a repository. */
export interface ConfiguredEndpoint {
  readonly kind: 'endpoint';
  /** Host with an optional port. Credentials are looked up under this name. */
  readonly host: string;
  /** Default: https, and for loopback addresses also http, as for registries without configuration. */
  readonly scheme?: 'https' | 'http' | undefined;
  /** The path of the API: `/v2`, or another one such as `/proxy/v2`. May be empty. */
  readonly apiPath: string;
  /** The name of the repository on this host. */
  readonly repository: string;
  /**
   * The value of the query parameter `ns`: the registry whose content is requested, for mirrors of several registries.
   * Default: not sent.
   */
  readonly namespace?: string | undefined;
  readonly capabilities: Capabilities;
  /** Whether requests without credentials may use plain http or unverified TLS. */
  readonly permitsInsecure: boolean;
  /** Whether credentials may be sent over plain http, because the user has configured this address for mlist. */
  readonly trustsHttp: boolean;
  readonly certificates?: HostCertificates | undefined;
  /** Headers for every request, with names in lower case. Values of headers that authenticate are secret. */
  readonly headers: Readonly<Record<string, string>>;
  readonly origin: RuleOrigin;
}

/** The registry in a reference, accessed at its default address. */
export interface RegistryItself {
  readonly kind: 'registry';
  readonly capabilities: Capabilities;
}

/**
 * The file and line of a rule, such as `/etc/containers/registries.conf:3, prefix "docker.io"`, or the option or
 * variable that specifies a mirror.
 */
export type RuleOrigin = string;

export const allCapabilities: Capabilities = { tags: true, digests: true, referrers: true };

export const registryItself: RegistryItself = { kind: 'registry', capabilities: allCapabilities };

/**
 * Whether a host is the registry of this domain. References to Docker Hub contain `docker.io`, but its API has another
 * host.
 */
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
 * @returns the address, or the reason why it is invalid. The reason does not quote the text, which may contain a
 * password
 */
export function parseMirrorAddress(text: string): MirrorAddress | string {
  const scheme = /^(https?):\/\/[^/]/.exec(text)?.[1];
  if ((scheme !== 'https' && scheme !== 'http') || !URL.canParse(text))
    return 'the address of a mirror must be a valid http:// or https:// URL with a host';
  const url = new URL(text);
  const { host, username, password, search, hash } = url;
  if (username !== '' || password !== '') return 'the address of a mirror must not contain a user name or a password';
  if (search !== '' || hash !== '') return 'the address of a mirror must not contain a query or a fragment';
  return { scheme, host, path: normalizedPath(url) };
}

/** Returns the path of a URL, without repeated slashes and without a slash at its end. */
export function normalizedPath({ pathname }: URL): string {
  return pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '');
}

/** Returns the path of the API for the normalized path of an address. Appends `/v2` unless the path ends with it. */
export function apiPathOf(path: string): string {
  return path.endsWith('/v2') ? path : `${path}/v2`;
}

/**
 * Whether a name has the form `HOST[:PORT][/PATH]`. The name must not contain anything that changes where a request is
 * sent: a user name, a query, a fragment, or a path segment of dots only.
 */
export function isRepositoryAddress(name: string): boolean {
  const [host = '', ...segments] = name.split('/');
  return (
    /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?$/i.test(host) &&
    URL.canParse(`https://${host}`) &&
    segments.every((segment) => /^[\w.:@-]+$/.test(segment) && !/^\.+$/.test(segment))
  );
}

/** Creates the error for a configuration file that cannot be read or is invalid. */
export function invalidConfiguration(path: string, line: number | undefined, reason: string): MlistError {
  const place = line === undefined ? path : `${path}:${line}`;
  return new MlistError('ERR_MLIST_CONFIGURATION', `${place} cannot be used: ${reason}`, {
    path,
    remedy: { kind: 'ignore-registry-configuration', change: 'file' },
  });
}

/** Returns the number of the line that contains the character at `offset`. The first line is 1. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Whether a header may contain credentials, judging by its name, such as `authorization` or `private-token`. */
export function isAuthenticating(name: string): boolean {
  return /auth|cookie|token|key|secret|passw|credential|session|signature/.test(name);
}
