import { asMlistError, type ErrorCode, type MlistError } from '../../errors/errors.ts';
import { exceedsMaxWait } from '../../store/registry/http/retry.ts';
import type { Push } from '../../draft/workspace/workspace-state.ts';
import type { ContentOptions, ContentReader } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameStore, type Location } from '../../oci/location.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Stores } from '../../store/open.ts';
import { targetName, type TargetRepository } from './target.ts';

/** The digest that a tag refers to, or `absent` if the tag does not exist. */
export type TagState = Digest | 'absent';

/** Prefetched tag states, keyed by `targetName`. The reads may still be in progress. */
export type PrefetchedTagStates = ReadonlyMap<string, Promise<TagState>>;

/** Resolves a tag to its digest. Returns `absent` if the tag does not exist. */
export async function digestOfTag(store: ContentReader, tag: string, options: ContentOptions): Promise<TagState> {
  return (await ignoreNotFound(store.resolve(tag, options)))?.digest ?? 'absent';
}

/**
 * Describes how the state of a tag differs from the expected state. In error messages, the description follows the
 * reference of the tag.
 */
export function stateDifference(before: TagState, expected: TagState): string {
  if (before === 'absent') return `does not exist, but was expected to refer to ${expected}`;
  return expected === 'absent'
    ? `already exists and refers to ${before}`
    : `refers to ${before}, not to ${expected}: another client may have moved it`;
}

/**
 * Returns the error of a failed read if the registry served an invalid document or refused the read, for example
 * because the account may only push.
 * @throws MlistError the error of the read if the registry could not be reached, its credentials could not be read, or
 * it requests a longer wait than mlist accepts
 */
export function refusedRead(thrown: unknown, { signal }: ContentOptions): MlistError {
  signal?.throwIfAborted();
  const error = asMlistError(thrown);
  if (unreachableCodes.has(error.code) || exceedsMaxWait(error.facts)) throw error;
  return error;
}

/**
 * Returns the result of a read that the operation can do without, or undefined if the registry refuses the read or
 * serves an invalid document.
 * @throws MlistError the errors of `refusedRead`
 */
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

/** Whether a push needs the current state of a tag for more than detecting that the tag already refers to the list. */
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
  /** Whether a tag has to be read immediately before it is moved, because the push depends on its state. */
  readonly isLate: (reference: string) => boolean;
}

/**
 * Starts to read the registry tags of a push while its sources are still being read, which saves a round trip. Skips
 * tags for which `isLate` returns true. Also skips the tags of a target that has all sources, because a push rarely
 * reads them.
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
