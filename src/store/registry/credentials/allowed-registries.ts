import { MlistError, type NextStep } from '../../../errors/errors.ts';
import { parseReference, withoutPassword } from '../../../oci/reference.ts';
import { apiHost } from '../http/address.ts';

/**
 * The registries that may receive credentials or be written to. Other registries can only be read, and only anonymously
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
   * Parses `HOST`, `HOST:PORT`, `*.DOMAIN` and `*.DOMAIN:PORT`. A pattern without a port allows only hosts without a
   * port. A wildcard allows subdomains at any depth, but not the domain itself.
   * @param option - the name of the option, for errors
   * @throws MlistError `ERR_MLIST_USAGE` if a pattern is invalid
   */
  static parse(patterns: readonly string[], option: string): AllowedRegistries {
    return new AllowedRegistries(patterns.map((pattern) => parsePattern(pattern, option)));
  }

  /**
   * Whether a registry or mirror is one of the allowed registries.
   * @param registry - the host and, if references contain it, the port
   */
  allows(registry: string): boolean {
    const name = registry.toLowerCase();
    return this.#names.has(apiHost(name)) || this.#endings.some((ending) => name.endsWith(ending));
  }
}

function parsePattern(text: string, option: string): string {
  const pattern = text.toLowerCase() === 'index.docker.io' ? 'docker.io' : text.toLowerCase();
  const host = pattern.startsWith('*.') ? `a${pattern.slice(1)}` : pattern;
  // A host without a dot or a port, other than `localhost`, would never match: in references, it is a namespace of
  // docker.io.
  if (registryOf(host) === host) return pattern;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `${option} takes HOST, HOST:PORT or *.DOMAIN, not ${JSON.stringify(withoutPassword(text))}`,
    {
      hint: 'A HOST without a port must contain a dot, or be localhost. For example: docker.io, registry.example.com:5000, *.example.com.',
    },
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

/** Returns the hint and the remedy for a request without credentials to a registry that is not allowed. */
export function withoutLogin(registry: string): NextStep {
  return {
    hint: `No credentials were sent, because ${registry} is not an allowed registry.`,
    remedy: { kind: 'allow-registry', registry, access: 'read' },
  };
}

/** Creates the error for a write to a repository whose registry is not allowed. */
export function writeNotAllowed(registry: string, repository: string): MlistError {
  return new MlistError('ERR_MLIST_BLOCKED', `cannot write to ${repository}: ${registry} is not an allowed registry`, {
    reference: repository,
    remedy: { kind: 'allow-registry', registry, access: 'write' },
  });
}

/** Creates the error for a login to a registry that is not allowed. */
export function loginNotAllowed(registry: string): MlistError {
  return new MlistError('ERR_MLIST_BLOCKED', `cannot log in to ${registry}: it is not an allowed registry`, {
    reference: registry,
    remedy: { kind: 'allow-registry', registry, access: 'read' },
  });
}
