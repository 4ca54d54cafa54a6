import { MlistError } from '../../errors/errors.ts';
import type { Shown } from './protocol-memory.ts';

export function withoutGroup(target: string): MlistError {
  return new MlistError(
    'ERR_MLIST_USAGE',
    `--expect needs --group for ${target}: the build that this runner belongs to is unknown`,
    {
      hint: 'Give --group an id that all runners of this build share and no other build uses.',
    },
  );
}

export function waitTimedOut(target: string, waiting: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_CONFLICT', `timed out: ${target} still waits for ${waiting.join(', ')}`, {
    reference: target,
    hint: 'The slots remain. The last of the missing runners to join completes the list.',
  });
}

/** The error if other clients keep changing the tag or its slots. */
export function keepsChanging(target: string, rounds: number): MlistError {
  return new MlistError(
    'ERR_MLIST_CONFLICT',
    `${target} or its slots keep changing: not settled after ${rounds} rounds`,
    {
      reference: target,
      hint: 'Run the same command again; if something other than "mlist join" pushes this tag, stop that first.',
    },
  );
}

/** The error if the registry has accepted a write, but still shows the previous content of the tag. */
export function notShown(reference: string, written: string, shown: Shown): MlistError {
  const what = shown === 'absent' ? 'no such tag' : shown;
  return new MlistError(
    'ERR_MLIST_REGISTRY',
    `the registry does not show what was written: it accepted ${written} as ${reference} and still shows ${what}`,
    {
      reference,
      hint: 'Run the same command again later; a cache in front of the registry, or another program that pushes this tag, can cause this.',
    },
  );
}

const FIND_WITHOUT_TAGS =
  'Without --expect, other runners are found through the tag list. Use --expect to find them without it.';

/** The error if the registry does not return a tag list. */
export function unreadableTags(error: MlistError): MlistError {
  return new MlistError(error.code, error.message, { ...error.facts, hint: FIND_WITHOUT_TAGS, cause: error });
}

export function withoutTags(target: string, unlisted: readonly string[]): MlistError {
  return new MlistError(
    'ERR_MLIST_REGISTRY',
    `the tag list of the repository of ${target} lacks ${unlisted.join(', ')}`,
    { reference: target, hint: FIND_WITHOUT_TAGS },
  );
}
