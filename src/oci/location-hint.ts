import { closestMatch } from '../text/closest-match.ts';
import { isEngineLocation } from './engine-location.ts';
import { withoutPassword } from './reference.ts';

/** Maps the prefixes of mlist and other tools to the prefixes of mlist. */
const spellings: Readonly<Record<string, string>> = {
  'oci-layout': 'oci:',
  'oci-dir': 'oci:',
  ocidir: 'oci:',
  'oci-archive': 'oci-archive:',
  'docker-archive': 'docker-archive:',
  'docker-daemon': 'docker-daemon:',
  'docker-image': 'docker://',
};

/**
 * Maps the prefixes that are recognised before `//`. The last three are recognised only there: for example,
 * `registry:2` is an image on Docker Hub.
 */
const schemes: Readonly<Record<string, string>> = { ...spellings, registry: '', https: '', http: '' };

const isPath = /^(?:\.{0,2}|~)\/|^[A-Za-z]:[\\/]/;
const isArchive = /\.(?:tar|tgz|tar\.[a-z0-9]+)$/i;

/**
 * Suggests how to write a location that has a prefix of another tool or a misspelled prefix, or is only a path.
 * @returns the text of a hint; undefined if there is no suggestion, or if the string contains a password
 */
export function locationHint(text: string): string | undefined {
  if (withoutPassword(text) !== text) return undefined;
  const [, prefix, slashes, rest = ''] = /^([A-Za-z][\w-]+):(\/\/)?(.+)$/.exec(text) ?? [];
  if (prefix === undefined) {
    return isPath.test(text) || isArchive.test(text) ? pathHint(text, isArchive.test(text)) : undefined;
  }
  if (isEngineLocation(text) && slashes === undefined && /^\d{1,5}\//.test(rest)) {
    return `For the registry ${prefix}:${/^\d+/.exec(rest)?.[0] ?? ''}, write docker://${text}.`;
  }
  if (prefix === 'oci' && slashes !== undefined) {
    return `For an OCI layout, write oci:${rest}. For a registry, write docker://${rest}.`;
  }
  const prefixes = slashes === undefined ? spellings : schemes;
  const name = Object.hasOwn(prefixes, prefix) ? prefix : closestMatch(prefix, Object.keys(spellings));
  return name === undefined ? undefined : `Write it as ${prefixes[name] ?? ''}${rest}.`;
}

/** Suggests how to write the path of an archive or a layout as a location. */
export function pathHint(path: string, isFile: boolean): string {
  if (!isFile) return `For an OCI layout, write oci:${path}.`;
  return `For an archive, write oci-archive:${path}, or docker-archive:${path} if it was created by an older "docker save" or "podman save".`;
}
