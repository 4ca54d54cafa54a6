import { AnnotationKey, type Annotations } from '../oci/descriptor.ts';
import { parseReference, repositoryName, type Reference } from '../oci/reference.ts';
import { isPrivateAddress } from './hosts.ts';

/**
 * This module finds the repositories from which content was pulled, in the annotations of layouts and archives. Anyone
 * can write these annotations, so they are used only if the user requests it
 * (docs/decisions/0074-filling-sparse-indexes.md).
 */

/**
 * Prefix of containerd's annotations `<prefix><host>`, whose values are repositories, separated by commas. The host has
 * no port.
 */
const SOURCE_PREFIX = 'containerd.io/distribution.source.';

/** Maximum number of repositories that are used for one source. Real content comes from one or two. */
export const MAX_ORIGINS = 8;

/**
 * Returns the repositories in annotations, the most reliable first, without tags and duplicates. Returns at most
 * `MAX_ORIGINS` repositories.
 */
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

/** Returns the repositories from which containerd has pulled the content. */
function pulledFrom(annotations: Annotations): readonly Reference[] {
  return Object.entries(annotations).flatMap(([key, value]) => {
    if (!key.startsWith(SOURCE_PREFIX)) return [];
    const host = key.slice(SOURCE_PREFIX.length);
    // Skip hosts such as `registry`: their port is missing from the annotation, and without it, the host is parsed as a
    // namespace of docker.io.
    return value
      .split(',')
      .flatMap((path) => repositoryIn(`${host}/${path.trim()}`))
      .filter(({ domain }) => domain === host);
  });
}

/** Adds the port from a full image name with the same host, because containerd's annotations omit it. */
export function withPort(source: Reference, named: readonly Reference[]): Reference {
  const isSameHost = ({ domain }: Reference) => domain.replace(/:\d+$/, '') === source.domain;
  return { ...source, domain: named.find(isSameHost)?.domain ?? source.domain };
}

/** Returns the repository of a name that starts with a host; an empty array for tags and for names without a host. */
function fullName(name: string | undefined): readonly Reference[] {
  const references = name?.includes('/') === true ? repositoryIn(name) : [];
  return references.filter(({ domain }) => name?.startsWith(`${domain}/`));
}

/** Returns the repository of a reference, without tag and digest; an empty array if the reference is invalid. */
export function repositoryIn(text: string): readonly Reference[] {
  try {
    const { domain, path } = parseReference(text);
    return [{ domain, path }];
  } catch {
    return [];
  }
}

/** Like `isPrivateAddress`, but for a host with an optional port. */
export function isInternalHost(domain: string): boolean {
  return isPrivateAddress(new URL(`http://${domain}`).hostname);
}
