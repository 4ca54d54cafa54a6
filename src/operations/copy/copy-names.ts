import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { type ContentOptions, type ContentReader, type Store, type TagOrDigest } from '../../store/store.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { checkMoves, type MoveOptions, type NextContent } from '../publish/tag-moves.ts';
import { refusedRead, stateDifference, type TagState } from '../publish/tag-state.ts';

/** The names that a copy writes: the tags of its target, or the digest if it has no tag. */

/** The content that the target has under a name, or the error if it could not be read. */
export interface NameState {
  readonly found?: Descriptor | undefined;
  readonly unread?: MlistError;
}

export interface TargetName {
  readonly name: TagOrDigest;
  /** The reference of the name, for messages. */
  readonly reference: string;
  /** The state of the name; undefined if it was not read. */
  readonly state: NameState | undefined;
}

export async function lookUp(store: ContentReader, name: TagOrDigest, { signal }: ContentOptions): Promise<NameState> {
  try {
    return { found: await ignoreNotFound(store.resolve(name, { signal })) };
  } catch (thrown) {
    return { unread: refusedRead(thrown, { signal }) };
  }
}

/**
 * Requires that each tag has the expected state (a digest, or absent), or already has the content to be copied.
 * @throws MlistError `ERR_MLIST_CONFLICT`; the registry's error if a tag cannot be read
 */
export function requireStates(names: readonly TargetName[], digest: Digest, expected: TagState): void {
  const tags = names.filter(({ name }) => !isDigestName(name));
  if (tags.length === 0)
    throw new MlistError('ERR_MLIST_USAGE', 'the target is a digest, so there is no tag whose digest could be checked');
  for (const { reference, state = {} } of tags) {
    if (state.unread !== undefined) throw state.unread;
    const before = state.found?.digest ?? 'absent';
    if (before === digest || before === expected) continue;
    throw new MlistError('ERR_MLIST_CONFLICT', `${reference} ${stateDifference(before, expected)}`, {
      reference,
      remedy: { kind: 'expect-digest', digest: before },
    });
  }
}

/** The state of the target's tags before they are moved. */
export async function replacedTags(
  store: Store,
  names: readonly TargetName[],
  next: NextContent,
  options: MoveOptions & { readonly dryRun?: boolean | undefined },
): Promise<ReadonlyMap<string, ReplacedTag>> {
  options.signal?.throwIfAborted();
  const tags = names
    .filter(({ name }) => !isDigestName(name))
    .map(({ name: tag, reference, state: { found, unread } = {} }) => ({
      tag,
      reference,
      before: unread === undefined ? (found?.digest ?? ('absent' as const)) : undefined,
      unread,
    }));
  if (store.engine === undefined) return checkMoves(store, tags, next, options);
  // Only engines that keep manifests know the digest that a name has.
  if (!store.engine.holdsLists || options.dryRun === true) return new Map();
  return new Map(tags.map(({ tag, before }) => [tag, before === undefined ? {} : { before }]));
}
