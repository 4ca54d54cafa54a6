import { MlistError, type NextStep } from '../../../errors/errors.ts';
import { parseReference, withoutPassword } from '../../../oci/reference.ts';
import { apiHost } from '../http/address.ts';

/**
 * The registries that may receive a login or be written to. Other registries are only read, and without a login
 * (docs/security.md).
 */
export class AllowedRegistries {
  readonly #names: ReadonlySet<string>;
  /** Suffixes of host names, such as `.example.com` for `*.example.com`. */
  readonly #endings: readonly string[];

  private constructor(patterns: readonly string[]) {
    this.#names = new Set(patterns.filter((pattern) => !pattern.startsWith('*')).map(apiHost));
    this.#endings = patterns.filter((pattern) => pattern.startsWith('*')).map((pattern) => pattern.slice(1));
  }

  /**
   * Parses `HOST`, `HOST:PORT`, `*.DOMAIN` and `*.DOMAIN:PORT`. A pattern without a port only allows hosts without one,
   * and a wildcard allows subdomains at any depth, but not the domain itself.
   * @param option - the name of the option, for errors
   * @throws MlistError `ERR_MLIST_USAGE` for an invalid pattern
   */
  static parse(patterns: readonly string[], option: string): AllowedRegistries {
    return new AllowedRegistries(patterns.map((pattern) => parsePattern(pattern, option)));
  }

  /**
   * Whether a registry is one of the allowed registries.
   * @param registry - the host of a registry or mirror, with its port, as references name it
   */
  allows(registry: string): boolean {
    const name = registry.toLowerCase();
    return this.#names.has(apiHost(name)) || this.#endings.some((ending) => name.endsWith(ending));
  }
}

function parsePattern(text: string, option: string): string {
  const pattern = text.toLowerCase() === 'index.docker.io' ? 'docker.io' : text.toLowerCase();
  const host = pattern.startsWith('*.') ? `a${pattern.slice(1)}` : pattern;
  // In references, a first part without a dot or a port is a namespace of docker.io, not a host.
  if (registryOf(host) === host) return pattern;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `${option} takes HOST, HOST:PORT or *.DOMAIN, not ${JSON.stringify(withoutPassword(text))}`,
    { hint: 'Examples: docker.io, registry.example.com:5000, *.example.com.' },
  );
}

function registryOf(host: string): string | undefined {
  try {
    const { domain, path } = parseReference(`${host}/a`);
    return path === 'a' || path === 'library/a' ? domain : undefined;
  } catch (thrown) {
    if (thrown instanceof MlistError) return undefined;
    throw thrown;
  }
}

/** The hint that explains why a registry gets no login, with the remedy. */
export function withoutLogin(registry: string): NextStep {
  return {
    hint: `No login was sent, because ${registry} is not an allowed registry.`,
    remedy: { kind: 'allow-registry', registry, access: 'read' },
  };
}

/** The error for a write to a registry that is only read. */
export function writeNotAllowed(registry: string, repository: string): MlistError {
  return new MlistError(
    'ERR_MLIST_BLOCKED',
    `${repository} may not be written to: ${registry} is not an allowed registry`,
    {
      reference: repository,
      remedy: { kind: 'allow-registry', registry, access: 'write' },
    },
  );
}

/** The error for a login that the user has typed for a registry that is not allowed. */
export function loginNotAllowed(registry: string): MlistError {
  return new MlistError('ERR_MLIST_BLOCKED', `no login may be sent to ${registry}: it is not an allowed registry`, {
    reference: registry,
    remedy: { kind: 'allow-registry', registry, access: 'write' },
  });
}
