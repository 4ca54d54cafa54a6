import type { Entry } from '../../draft/draft.ts';
import { MlistError } from '../../errors/errors.ts';
import type { EngineLocation } from '../../oci/engine-location.ts';
import {
  digestIn,
  formatLocation,
  isInEngine,
  nameOfTarget,
  parseLocation,
  sameStore,
  storeName,
  type Location,
} from '../../oci/location.ts';
import { formatReference, isTag, repositoryName, withTag, type Reference } from '../../oci/reference.ts';

/** A repository, layout or archive that a list is pushed to, and the tags to write there. */
export interface TargetRepository {
  readonly location: Location;
  /** Identifies the location: `domain/path`, or the kind and path of a layout or archive. */
  readonly key: string;
  readonly tags: readonly string[];
}

/**
 * Returns the targets of a push, each with all its tags.
 * @param list - the list's own reference
 * @param tags - additional tags: `:v1` is a tag at each target, anything else a reference
 * @param to - locations to push to instead of the list's own reference
 * @throws MlistError `ERR_MLIST_USAGE` if an additional tag is empty or could be a repository, or if a target has a
 * digest or is an engine
 */
export function targetsOf(
  list: Reference,
  tags: readonly string[],
  to: readonly string[],
): readonly TargetRepository[] {
  const own: readonly Location[] =
    to.length === 0 ? [{ kind: 'registry', reference: list, explicit: true }] : to.map(parseTarget);
  const further = tags.flatMap((tag) => parseTag(list, own, tag));
  const grouped = new Map<string, { location: Location; tags: Set<string> }>();
  for (const location of [...own, ...further]) {
    const key = storeName(location);
    const group = grouped.get(key) ?? { location, tags: new Set<string>() };
    group.tags.add(tagOf(location));
    grouped.set(key, group);
  }
  return [...grouped].map(([key, group]) => ({ location: group.location, key, tags: [...group.tags] }));
}

function parseTag(list: Reference, own: readonly Location[], text: string): readonly Location[] {
  const tag = text.slice(1);
  if (text.startsWith(':') && isTag(tag)) return own.map((location) => taggedAs(location, tag));
  if (text === '' || text === ':') throw new MlistError('ERR_MLIST_USAGE', 'empty tag: specify the tag to push to');
  if (!/[/:]/.test(text)) {
    throw new MlistError('ERR_MLIST_USAGE', `${text} is ambiguous: it could be a tag or a repository`, {
      hint: `Write :${text} for a tag of ${repositoryName(list)}, or the full reference.`,
    });
  }
  return [parseTarget(text)];
}

export function taggedAs(location: Location, tag: string): Location {
  if (location.kind === 'registry') return { ...location, reference: withTag(location.reference, tag) };
  return isInEngine(location) ? location : { ...location, ref: tag };
}

function parseTarget(text: string): Location {
  const location = parseLocation(text);
  if (isInEngine(location)) throw engineTarget(location);
  if (digestIn(location) === undefined) return location;
  throw new MlistError('ERR_MLIST_USAGE', `cannot push to ${text}: a list is pushed to a tag, not to a digest`);
}

/** Returns the error if a command other than `copy` has an engine as its target. */
function engineTarget(location: EngineLocation): MlistError {
  const reference = formatLocation(location);
  return new MlistError('ERR_MLIST_USAGE', `cannot write to ${reference}: only "mlist copy" writes to engines`, {
    reference,
    hint: `Write to oci:DIR:TAG or to a registry, then load the list with "mlist copy oci:DIR:TAG ${reference}".`,
  });
}

function tagOf(location: Location): string {
  return nameOfTarget(location) ?? 'latest';
}

/** Returns the reference of a tag at a target, for messages and for the record of pushes. */
export function targetName({ location, key }: TargetRepository, tag: string): string {
  return location.kind === 'registry' ? formatReference(withTag(location.reference, tag)) : `${key}:${tag}`;
}

/** Whether an entry was read from the target, which means that the target should already have it. */
export function isStoredIn(entry: Entry, { location }: TargetRepository): boolean {
  return sameStore(entry.source, location);
}
