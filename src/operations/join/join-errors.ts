import { MlistError } from '../../errors/errors.ts';
import type { Remedy } from '../../errors/remedy.ts';
import type { Shown } from './protocol-memory.ts';

export function withoutGroup(target: string): MlistError {
  return new MlistError(
    'ERR_MLIST_USAGE',
    `cannot join ${target}: expected platforms require a group, but the group of this job is unknown`,
    { remedy: { kind: 'join', change: 'set-group' } },
  );
}

export function waitTimedOut(target: string, waiting: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_CONFLICT', `timed out waiting for ${waiting.join(', ')} to join ${target}`, {
    reference: target,
    hint: 'The slots of this job are kept. The list is completed when the missing jobs join.',
  });
}

/** Returns the error for a join that gives up because others keep changing the tag or its slots. */
export function keepsChanging(target: string, rounds: number): MlistError {
  return new MlistError(
    'ERR_MLIST_CONFLICT',
    `cannot join ${target}: the tag or its slots kept changing during ${rounds} rounds of writes`,
    {
      reference: target,
      hint: 'Run the same command again. If a program other than "mlist join" pushes this tag, stop it first.',
    },
  );
}

/**
 * Returns the error for a write that the registry has accepted, although it still returns the previous content of the
 * tag.
 */
export function notShown(reference: string, written: string, shown: Shown): MlistError {
  const now = shown === 'absent' ? 'the tag still does not exist' : `still returns ${shown}`;
  return new MlistError('ERR_MLIST_REGISTRY', `the registry accepted ${written} as ${reference}, but ${now}`, {
    reference,
    hint:
      'Run the same command again later. ' +
      'The cause may be a cache in front of the registry, or another program that pushes this tag.',
  });
}

const FIND_WITHOUT_TAGS: Remedy = { kind: 'join', change: 'expect-platforms' };

/** Replaces the hint of an error from reading the tag list with a remedy. */
export function unreadableTags(error: MlistError): MlistError {
  return new MlistError(error.code, error.message, {
    ...error.facts,
    hint: undefined,
    remedy: FIND_WITHOUT_TAGS,
    cause: error,
  });
}

export function withoutTags(target: string, unlisted: readonly string[]): MlistError {
  return new MlistError(
    'ERR_MLIST_REGISTRY',
    `cannot join ${target}: the tag list of its repository is incomplete; it lacks ${unlisted.join(', ')}`,
    { reference: target, remedy: FIND_WITHOUT_TAGS },
  );
}
