import { asMlistError, MlistError, SeveralErrors } from '../errors.ts';
import { descriptorOf, isAttestationEntry, type Draft, type Entry } from '../draft/draft.ts';
import { describeEntry } from '../draft/select.ts';
import { shortDigest } from '../oci/digest.ts';
import { parseLocation } from '../oci/location.ts';
import type { OnEvent } from './events.ts';
import { attestationsWarning, listed, missingText, platformOrDigest } from './missing-images.ts';

/** Entries of a draft whose content is not in their source. */

/** The error for an entry whose content is gone, with the cause if it is not the manifest itself. */
export function gone(entry: Entry, { list }: Draft, cause?: MlistError): MlistError {
  const what = isAttestationEntry(entry) ? 'attestation' : 'image';
  const why = cause === undefined ? '' : `: ${cause.message}`;
  return new MlistError(
    'ERR_MLIST_NOT_FOUND',
    `the ${what} ${describeEntry(entry)} is gone from its ${storeOf(entry)}${why}`,
    {
      reference: entry.source,
      cause,
      hint:
        `Bring the draft up to date with "mlist create --amend ${list}", ` +
        `or remove the entry with "mlist remove ${list} ${shortDigest(entry.digest)}".`,
    },
  );
}

function storeOf({ source }: Entry): string {
  const { kind } = parseLocation(source);
  return kind === 'registry' ? 'repository' : kind === 'oci' ? 'layout' : 'archive';
}

/** The source of an entry can be read, but does not have the entry. */
export class EntryMissing extends MlistError {
  readonly entry: Entry;

  constructor(entry: Entry, draft: Draft, cause?: MlistError) {
    const { code, message, facts } = gone(entry, draft, cause);
    super(code, message, facts);
    this.entry = entry;
  }
}

/** Several entries that one source does not have. */
class EntriesMissing extends MlistError {
  readonly entries: readonly Entry[];

  constructor(entries: readonly Entry[], source: string, draft: Draft, hint: string | undefined) {
    const images = entries.filter((entry) => !isAttestationEntry(entry)).map(descriptorOf);
    const message =
      images.length > 0
        ? missingText(images, new Map(), source)
        : `${entries.length} attestations are missing from ${source}`;
    super('ERR_MLIST_NOT_FOUND', message, {
      reference: source,
      hint: `${availableText(entries, source, draft)}${hint ?? draftHint(entries, draft)}`,
    });
    this.entries = entries;
  }
}

function availableText(missing: readonly Entry[], source: string, { entries }: Draft): string {
  const others = entries.filter(
    (entry) => entry.source === source && !isAttestationEntry(entry) && !missing.includes(entry),
  );
  return others.length === 0 ? '' : `Available: ${listed(others.map(descriptorOf).map(platformOrDigest))}. `;
}

function draftHint([first]: readonly Entry[], { list }: Draft): string {
  return (
    `Leave missing images out with "mlist create --amend ${list} --missing skip", ` +
    `or remove an entry with "mlist remove ${list} ${first === undefined ? 'DIGEST' : shortDigest(first.digest)}".`
  );
}

/**
 * The results for all entries of a draft.
 * @param hint - replaces the hint to edit the draft
 * @throws MlistError for all failures; entries missing from one source are reported together
 */
export function requireAll<T>(
  draft: Draft,
  results: readonly PromiseSettledResult<T>[],
  hint: string | undefined,
): readonly T[] {
  const failures = results.flatMap((one) => (one.status === 'rejected' ? [asMlistError(one.reason)] : []));
  const missing = failures
    .filter((error): error is EntryMissing => error instanceof EntryMissing)
    .map(({ entry }) => entry);
  const grouped = missing.filter((entry) => entry.via !== undefined || isAttestationEntry(entry));
  const sources = [...new Set(grouped.map(({ source }) => source))];
  SeveralErrors.throwAny([
    ...failures.filter((error) => !(error instanceof EntryMissing) || !grouped.includes(error.entry)),
    ...sources.map(
      (source) =>
        new EntriesMissing(
          grouped.filter((entry) => entry.source === source),
          source,
          draft,
          hint,
        ),
    ),
  ]);
  return results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** Runs work with the entries. If only attestations are missing, runs it again without them. */
export async function retryWithoutAttestations<T>(
  entries: readonly Entry[],
  work: (entries: readonly Entry[]) => Promise<T>,
  onEvent: OnEvent | undefined,
): Promise<T> {
  try {
    return await work(entries);
  } catch (thrown) {
    const there = withoutAttestations(entries, [asMlistError(thrown)], onEvent);
    if (there === undefined) throw thrown;
    return work(there);
  }
}

/**
 * Leaves missing attestations out, with one warning, if nothing else has failed.
 * @returns undefined if something else has failed
 */
export function withoutAttestations(
  entries: readonly Entry[],
  failures: readonly MlistError[],
  onEvent: OnEvent | undefined,
): readonly Entry[] | undefined {
  const parts = failures.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
  const missing = parts.flatMap((error) => (error instanceof EntriesMissing ? error.entries : []));
  const isOnlyThat = parts.every((error) => error instanceof EntriesMissing) && missing.every(isAttestationEntry);
  if (missing.length === 0 || !isOnlyThat) return undefined;
  const sources = [...new Set(missing.map(({ source }) => source))];
  onEvent?.(attestationsWarning(missing.length, sources.join(' and ')));
  return entries.filter((entry) => !missing.includes(entry));
}
