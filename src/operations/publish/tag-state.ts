import { asMlistError, type ErrorCode, type MlistError } from '../../errors/errors.ts';
import { exceedsMaxWait } from '../../store/registry/http/retry.ts';
import type { Push } from '../../draft/workspace/workspace-state.ts';
import type { ContentOptions, ContentReader } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import { sameStore, type Location } from '../../oci/location.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Stores } from '../../store/open.ts';
import { targetName, type TargetRepository } from './target.ts';

/** What a tag has. */
export type TagState = Digest | 'absent';

/** What tags had when somebody looked, by `targetName`. */
export type EarlyTagStates = ReadonlyMap<string, Promise<TagState>>;

export async function digestOfTag(store: ContentReader, tag: string, options: ContentOptions): Promise<TagState> {
  return (await ignoreNotFound(store.resolve(tag, options)))?.digest ?? 'absent';
}

/**
 * The error of a registry that refuses a read, for example to an account that may only push.
 * @throws the error if the registry cannot be reached, or asks for too long a wait
 */
export function refusedRead(thrown: unknown, { signal }: ContentOptions): MlistError {
  signal?.throwIfAborted();
  const error = asMlistError(thrown);
  if (isUnreachable.has(error.code) || exceedsMaxWait(error.facts)) throw error;
  return error;
}

/** The answer to a request that can only save work; undefined if the registry refuses to answer. */
export async function ignoreRefusedRead<T>(asking: Promise<T>, options: ContentOptions): Promise<T | undefined> {
  try {
    return await asking;
  } catch (thrown) {
    refusedRead(thrown, options);
    return undefined;
  }
}

const isUnreachable: ReadonlySet<ErrorCode> = new Set([
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
  'ERR_MLIST_CREDENTIALS',
  'ERR_MLIST_UNEXPECTED',
]);

/** Whether a push decides by what a tag has, or speaks of it, beyond that the tag may have the list already. */
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

export interface EarlyOptions extends ContentOptions {
  readonly stores: Stores;
  /** Whether something depends on what the tag has when it is moved: then it is looked at then, and not before. */
  readonly isLate: (reference: string) => boolean;
}

/**
 * Looks at the tags of a push while what is to be pushed is still being read: one answer less to wait for. Only where the
 * push is going to look, since images come from elsewhere.
 */
export function readTagStatesEarly(
  targets: readonly TargetRepository[],
  sources: readonly Location[],
  { stores, signal, isLate }: EarlyOptions,
): EarlyTagStates {
  const looks = new Map<string, Promise<TagState>>();
  for (const target of targets) {
    const { location, tags } = target;
    if (location.kind !== 'registry' || sources.every((source) => sameStore(source, location))) continue;
    const store = stores.registries.repository(location.reference);
    for (const tag of tags) {
      const reference = targetName(target, tag);
      if (isLate(reference)) continue;
      const look = digestOfTag(store, tag, { signal });
      // What fails is told by the push, if it comes to that.
      look.catch(() => undefined);
      looks.set(reference, look);
    }
  }
  return looks;
}
