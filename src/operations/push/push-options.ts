import type { Draft } from '../../draft/draft.ts';
import type { EncodedList } from '../../draft/to-list.ts';
import type { NextStep } from '../../errors/errors.ts';
import type { Push } from '../../draft/workspace/workspace-state.ts';
import type { Store } from '../../store/store.ts';
import type { GateEntrance } from '../../transfer/name-gate.ts';
import type { CheckOptions } from '../publish/check-push.ts';
import type { PublishContext } from '../publish/publish.ts';
import type { PrefetchedTagStates, TagState } from '../publish/tag-state.ts';
import type { TargetRepository } from '../publish/target.ts';

/** The options of a push, and its context. */
export interface PushDraftOptions extends PublishContext, CheckOptions {
  /** Additional tags: `:TAG` is a tag at each target, anything else a reference. */
  readonly tags?: readonly string[] | undefined;
  /** Locations to push to instead of the list's own repository. */
  readonly to?: readonly string[] | undefined;
  /**
   * Refuse unless each tag has this state (a digest, or `absent`), or already refers to the list, so that a push can be
   * repeated.
   */
  readonly ifDigest?: TagState | undefined;
  /**
   * Move no tag of any target before all targets have the content; if one of them fails before that, no tag is moved.
   * Default false: each target is independent of the others.
   */
  readonly allOrNothing?: boolean | undefined;
  /** Check every child at the target, and write tags even if they already refer to the list. Default false. */
  readonly force?: boolean | undefined;
  /** Write nothing: return the plan of each target. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Allow a tag to move from a single image to a list that has no image for its platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse a list that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
  /** Warn if a tag moves away from a signed list, which takes extra requests. A dry run always warns. Default false. */
  readonly checkSignatures?: boolean | undefined;
  /**
   * Read the current content of every tag before anything is written. Default: only if the push depends on this
   * content, or reading it may save work.
   */
  readonly readTags?: boolean | undefined;
  /**
   * Tag states that were read before the push. They may be outdated, so they are used only if the push does not depend
   * on the exact state of a tag.
   */
  readonly prefetched?: PrefetchedTagStates | undefined;
  /** The next step in errors about missing images, for commands without a draft. Default: a hint to edit the draft. */
  readonly afterMissing?: NextStep | undefined;
}

/** The push of a list to one target, under all its tags there. */
export interface PushJob {
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly target: TargetRepository;
  /**
   * Holds the tags back until all targets have the content. Default: the tags are moved as soon as this target has the
   * content.
   */
  readonly entrance?: GateEntrance | undefined;
  /** The last pushes of the draft, keyed by reference. */
  readonly pushes?: Readonly<Record<string, Push>> | undefined;
}

/** A job whose target is open for writing. */
export interface OpenPushJob extends PushJob {
  readonly store: Store;
}
