import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import { type ContentOptions, type ContentReader, type Store, type TagOrDigest } from '../../store/store.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { checkMoves, type MoveOptions, type NextContent } from '../publish/tag-moves.ts';
import { refusedRead, stateDifference, type TagState } from '../publish/tag-state.ts';

/**
 * This file reads and checks the names that a copy writes: the tag of the target (the digest if it has no tag), and the
 * additional tags.
 */

/**
 * The content that the target has under a name (undefined if the name does not exist), or the error if the name could
 * not be read.
 */
export interface NameState {
  readonly found?: Descriptor | undefined;
  readonly unread?: MlistError;
}

export interface TargetName {
  readonly name: TagOrDigest;
  /** The reference with this name, for messages. */
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
 * Requires that each tag has the expected state (a digest, or absent), or already refers to the content to be copied.
 * @throws MlistError `ERR_MLIST_CONFLICT` if a tag has another state; `ERR_MLIST_USAGE` if there is no tag; the error
 * of the registry if a tag could not be read
 */
export function requireStates(names: readonly TargetName[], digest: Digest, expected: TagState): void {
  const tags = names.filter(({ name }) => !isDigestName(name));
  if (tags.length === 0)
    throw new MlistError('ERR_MLIST_USAGE', 'cannot check the expected digest: the copy writes no tag');
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

/**
 * Returns the previous states of the target's tags, keyed by tag. For registries, layouts and archives, also checks
 * whether the tags may be moved. For an engine, the map is empty in a dry run, and if the engine cannot store lists.
 * @throws MlistError the errors of `checkMoves`
 */
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
  // Engines without manifests do not know the digest of a tag.
  if (!store.engine.holdsLists || options.dryRun === true) return new Map();
  return new Map(tags.map(({ tag, before }) => [tag, before === undefined ? {} : { before }]));
}
