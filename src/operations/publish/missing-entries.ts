import type { Settled } from '../../async/settle.ts';
import { asMlistError, MlistError, type NextStep, SeveralErrors, withFirstHint } from '../../errors/errors.ts';
import { descriptorOf, isAttestationEntry, listName, sourceName, type Draft, type Entry } from '../../draft/draft.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import { shortDigest } from '../../oci/digest.ts';
import { isInEngine } from '../../oci/location.ts';
import type { OnEvent } from '../events.ts';
import { attestationsWarning, joinNames, missingText, platformOrDigest } from './missing-images.ts';

/** This file handles entries of a draft whose source does not have their content. */

/**
 * Returns the error if the content of an entry no longer exists in its source.
 * @param cause - the error of the read, if there was one; its message becomes the reason
 */
export function entryGone(entry: Entry, draft: Draft, cause?: MlistError): MlistError {
  const list = listName(draft);
  const what = isAttestationEntry(entry) ? 'attestation' : 'image';
  const reason = cause === undefined ? '' : `: ${cause.message}`;
  return new MlistError(
    'ERR_MLIST_NOT_FOUND',
    `the ${what} ${describeEntry(entry)} no longer exists in its ${storeOf(entry)}${reason}`,
    {
      reference: sourceName(entry),
      cause,
      hint:
        `Update the draft with "mlist create --amend ${list}", ` +
        `or remove the entry with "mlist remove ${list} ${shortDigest(entry.digest)}".`,
    },
  );
}

function storeOf({ source }: Entry): string {
  if (isInEngine(source)) return 'engine';
  return source.kind === 'registry' ? 'repository' : source.kind === 'oci' ? 'layout' : 'archive';
}

/** Thrown if a source can be read, but does not have these entries. */
export class MissingEntriesError extends MlistError {
  readonly entries: readonly Entry[];

  constructor(entries: readonly Entry[], { code, message, facts }: MlistError) {
    super(code, message, facts);
    this.entries = entries;
  }
}

/** Returns one error for all entries that one source does not have. */
function missingFrom(source: string, entries: readonly Entry[], draft: Draft, next: NextStep): MlistError {
  const images = entries.filter((entry) => !isAttestationEntry(entry)).map(descriptorOf);
  const message =
    images.length > 0
      ? missingText(images, new Map(), source)
      : `${entries.length === 1 ? '1 attestation is' : `${entries.length} attestations are`} missing from ${source}`;
  const error = new MlistError('ERR_MLIST_NOT_FOUND', message, { reference: source, ...next });
  const available = availableText(entries, source, draft);
  return new MissingEntriesError(entries, available === undefined ? error : withFirstHint(error, available));
}

function availableText(missing: readonly Entry[], source: string, { entries }: Draft): string | undefined {
  const others = entries.filter(
    (entry) => sourceName(entry) === source && !isAttestationEntry(entry) && !missing.includes(entry),
  );
  return others.length === 0 ? undefined : `Available: ${joinNames(others.map(descriptorOf).map(platformOrDigest))}.`;
}

function draftHint([first]: readonly Entry[], draft: Draft): string {
  const list = listName(draft);
  return (
    `Leave missing images out with "mlist create --amend ${list} --missing skip", ` +
    `or remove an entry with "mlist remove ${list} ${first === undefined ? 'DIGEST' : shortDigest(first.digest)}".`
  );
}

/**
 * Returns the results for all entries of a draft.
 * @param next - the next step for missing entries. Default: to edit the draft
 * @throws MlistError with all failures, if there are any. Missing entries of an index, and missing attestations, are
 * combined into one error for each source
 */
export function requireAll<T>(draft: Draft, { values, failures }: Settled<T>, next?: NextStep): readonly T[] {
  const grouped = failures.filter(isGrouped).flatMap(({ entries }) => entries);
  const sources = [...new Set(grouped.map(sourceName))];
  SeveralErrors.throwAny([
    ...failures.filter((error) => !isGrouped(error)),
    ...sources.map((source) => {
      const entries = grouped.filter((entry) => sourceName(entry) === source);
      return missingFrom(source, entries, draft, next ?? { hint: draftHint(entries, draft) });
    }),
  ]);
  return values;
}

function isGrouped(error: MlistError): error is MissingEntriesError {
  const isPart = (entry: Entry) => entry.via !== undefined || isAttestationEntry(entry);
  return error instanceof MissingEntriesError && error.entries.every(isPart);
}

/** Runs `work` with the entries. If only attestations are missing, runs `work` again without these attestations. */
export async function retryWithoutAttestations<T>(
  entries: readonly Entry[],
  work: (entries: readonly Entry[]) => Promise<T>,
  onEvent: OnEvent | undefined,
): Promise<T> {
  try {
    return await work(entries);
  } catch (thrown) {
    const remaining = withoutAttestations(entries, [asMlistError(thrown)], onEvent);
    if (remaining === undefined) throw thrown;
    return work(remaining);
  }
}

/**
 * If all failures are missing attestations, emits one warning and returns the other entries. Otherwise, returns
 * undefined.
 */
export function withoutAttestations(
  entries: readonly Entry[],
  failures: readonly MlistError[],
  onEvent: OnEvent | undefined,
): readonly Entry[] | undefined {
  const parts = failures.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
  const missing = parts.flatMap((error) => (error instanceof MissingEntriesError ? error.entries : []));
  const isOnlyThat = parts.every((error) => error instanceof MissingEntriesError) && missing.every(isAttestationEntry);
  if (missing.length === 0 || !isOnlyThat) return undefined;
  const sources = [...new Set(missing.map(sourceName))];
  onEvent?.(attestationsWarning(missing.length, sources.join(' and ')));
  return entries.filter((entry) => !missing.includes(entry));
}
