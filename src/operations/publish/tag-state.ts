import { asMlistError, type ErrorCode, type MlistError } from '../../errors/errors.ts';
import { exceedsMaxWait } from '../../store/registry/http/retry.ts';
import type { Push } from '../../draft/workspace/workspace-state.ts';
import type { ContentOptions, ContentReader } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameStore, type Location } from '../../oci/location.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Stores } from '../../store/open.ts';
import { targetName, type TargetRepository } from './target.ts';

/** The digest that a tag has, or `absent` if the tag does not exist. */
export type TagState = Digest | 'absent';

/** Tag states that were read before they are needed, by `targetName`. */
export type PrefetchedTagStates = ReadonlyMap<string, Promise<TagState>>;

/** Reads the state of a tag. */
export async function digestOfTag(store: ContentReader, tag: string, options: ContentOptions): Promise<TagState> {
  return (await ignoreNotFound(store.resolve(tag, options)))?.digest ?? 'absent';
}

/** How the state of a tag differs from the expected one, for an error message after the name of the tag. */
export function stateDifference(before: TagState, expected: TagState): string {
  if (before === 'absent') return `no longer exists, but was expected to have ${expected}`;
  return expected === 'absent'
    ? `already exists, with ${before}`
    : `has ${before}, not ${expected}: another client has moved it`;
}

/**
 * The error of a registry that refuses a read, for example to an account that may only push.
 * @throws the error if the registry cannot be reached, or requests a longer wait than mlist accepts
 */
export function refusedRead(thrown: unknown, { signal }: ContentOptions): MlistError {
  signal?.throwIfAborted();
  const error = asMlistError(thrown);
  if (unreachableCodes.has(error.code) || exceedsMaxWait(error.facts)) throw error;
  return error;
}

/** The result of a read that is only an optimisation; undefined if the registry refuses the read. */
export async function ignoreRefusedRead<T>(asking: Promise<T>, options: ContentOptions): Promise<T | undefined> {
  try {
    return await asking;
  } catch (thrown) {
    refusedRead(thrown, options);
    return undefined;
  }
}

const unreachableCodes: ReadonlySet<ErrorCode> = new Set([
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
  'ERR_MLIST_CREDENTIALS',
  'ERR_MLIST_UNEXPECTED',
]);

/** Whether a push needs the current state of a tag, other than to find out that the tag already has the list. */
export function isTagUsed(
  reference: string,
  pushes: Readonly<Record<string, Push>> | undefined,
  { ifDigest, checkSignatures = false }: TagUses,
): boolean {
  return ifDigest !== undefined || checkSignatures || pushes?.[reference] !== undefined;
}

export interface TagUses {
  readonly ifDigest?: TagState | undefined;
  readonly checkSignatures?: boolean | undefined;
}

export interface PrefetchOptions extends ContentOptions {
  readonly stores: Stores;
  /** Whether a tag has to be read immediately before it is moved, since the push depends on its state. */
  readonly isLate: (reference: string) => boolean;
}

/**
 * Reads the tags of a push while its sources are still being read, which saves a round trip. Only tags that the push
 * will read anyway are read: those of targets that do not hold all sources.
 */
export function prefetchTagStates(
  targets: readonly TargetRepository[],
  sources: readonly Location[],
  { stores, signal, isLate }: PrefetchOptions,
): PrefetchedTagStates {
  const states = new Map<string, Promise<TagState>>();
  for (const target of targets) {
    const { location, tags } = target;
    if (location.kind !== 'registry' || sources.every((source) => sameStore(source, location))) continue;
    const store = stores.registries.repository(location.reference);
    for (const tag of tags) {
      const reference = targetName(target, tag);
      if (isLate(reference)) continue;
      const state = digestOfTag(store, tag, { signal });
      // The push reports the error if it needs the state.
      state.catch(() => undefined);
      states.set(reference, state);
    }
  }
  return states;
}
