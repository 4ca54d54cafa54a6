import { AnnotationKey, type Annotations } from '../oci/descriptor.ts';
import { parseReference, repositoryName, type Reference } from '../oci/reference.ts';
import { isPrivateAddress } from './hosts.ts';

/**
 * The repositories that content came from, as the annotations of layouts and archives name them. Anyone can write them,
 * so they are used only if the user requests it (docs/decisions/0074-filling-sparse-indexes.md).
 */

/**
 * Prefix of containerd's annotations `<prefix><host>`, whose values are repositories, separated by commas. The host has
 * no port.
 */
const SOURCE_PREFIX = 'containerd.io/distribution.source.';

/** Limit on the repositories that one source names. Real content comes from one or two. */
export const MAX_ORIGINS = 8;

/** The repositories that annotations name, without tags, without duplicates, and the most reliable first. */
export function originsIn(all: Iterable<Annotations | undefined>): readonly Reference[] {
  const sources: Reference[] = [];
  const names: Reference[] = [];
  for (const annotations of all) {
    if (annotations === undefined) continue;
    const named = [annotations[AnnotationKey.imageName], annotations[AnnotationKey.refName]].flatMap(fullName);
    names.push(...named);
    sources.push(...pulledFrom(annotations).map((source) => withPort(source, named)));
  }
  const unique = new Map([...sources, ...names].map((reference) => [repositoryName(reference), reference]));
  return [...unique.values()].slice(0, MAX_ORIGINS);
}

/** Where containerd pulled the content from. */
function pulledFrom(annotations: Annotations): readonly Reference[] {
  return Object.entries(annotations).flatMap(([key, value]) => {
    if (!key.startsWith(SOURCE_PREFIX)) return [];
    const host = key.slice(SOURCE_PREFIX.length);
    // References name a host such as `registry` with its port; without the port, it would be parsed as a namespace of
    // docker.io.
    return value
      .split(',')
      .flatMap((path) => repositoryIn(`${host}/${path.trim()}`))
      .filter(({ domain }) => domain === host);
  });
}

/** Adds the port that the full names of the image state, because the annotations of containerd omit it. */
export function withPort(source: Reference, named: readonly Reference[]): Reference {
  const isSameHost = ({ domain }: Reference) => domain.replace(/:\d+$/, '') === source.domain;
  return { ...source, domain: named.find(isSameHost)?.domain ?? source.domain };
}

/** The repository of a name that starts with a host; empty for tags and for names without a host. */
function fullName(name: string | undefined): readonly Reference[] {
  const references = name?.includes('/') === true ? repositoryIn(name) : [];
  return references.filter(({ domain }) => name?.startsWith(`${domain}/`));
}

/** The repository of a reference, without tag and digest; empty if the reference is invalid. */
export function repositoryIn(text: string): readonly Reference[] {
  try {
    const { domain, path } = parseReference(text);
    return [{ domain, path }];
  } catch {
    return [];
  }
}

/**
 * Whether a registry is on this machine, or is named by a private or link-local address. Host names are not looked up.
 */
export function isInternalHost(domain: string): boolean {
  return isPrivateAddress(new URL(`http://${domain}`).hostname);
}
