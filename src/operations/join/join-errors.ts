import { MlistError } from '../../errors/errors.ts';
import type { Shown } from './protocol-memory.ts';

export function withoutGroup(target: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `--expect needs to know which build this runner of ${target} is part of`, {
    hint: 'Name it with --group: any text that all runners of one build share and no other build has.',
  });
}

export function waitTimedOut(target: string, waiting: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_CONFLICT', `${target} still waits for ${waiting.join(', ')}`, {
    reference: target,
    hint: 'Its slots stay: when the missing runners have joined, the last of them completes the list.',
  });
}

/** Others change the tag or its slots again and again. */
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

/** The registry has accepted a write, and still shows what the tag had before. */
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

export function withoutTags(target: string, unlisted: readonly string[]): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `the list of tags beside ${target} lacks ${unlisted.join(', ')}`, {
    reference: target,
    hint: 'Without --expect the other runners are found by the list of tags. With --expect it is not needed.',
  });
}
