import type { Problem } from '../errors/errors.ts';
import { listName, type Draft } from '../draft/draft.ts';
import { formatOf } from '../draft/to-list.ts';
import { checkDraft } from '../draft/draft-rules.ts';
import type { ManifestContent } from '../store/store.ts';
import { tolerancesIn } from '../schema/documents.ts';
import type { RuleOptions } from '../schema/rules/list-rules.ts';
import type { OnEvent, OperationEvent } from './events.ts';

/** Rules that are reported while a list is being built; `validate` reports the others too. */
const reportedRules = new Set([
  'E-DUP-PLATFORM',
  'E-DUP-DIGEST',
  'E-PLAT-MISSING',
  'W-PLAT-UNKNOWN',
  'W-WIN-OSVER',
  'W-NESTED',
  'W-ATT-ORPHAN',
]);

/** Warns about the problems of a draft without refusing it, including those that `strict` refuses. */
export function warnAboutDraft(draft: Draft, onEvent: OnEvent | undefined, options: RuleOptions = {}): void {
  reportWarnings(checkDraft(draft, { ...options, strict: true }), onEvent);
}

/** Reports the problems that the author should know about. */
export function reportWarnings(problems: readonly Problem[], onEvent: OnEvent | undefined): void {
  for (const { rule, severity, pointer, message } of problems) {
    if (severity === 'error' || reportedRules.has(rule)) onEvent?.({ type: 'warning', rule, pointer, message });
  }
}

/** Warnings about content that is accepted although it does not follow its specification. */
export function toleranceWarnings(
  { descriptor, bytes, announced }: ManifestContent,
  subject: string,
): readonly OperationEvent[] {
  const { mediaType } = descriptor;
  const tolerated = tolerancesIn(bytes, mediaType).map(
    ({ rule, pointer, message }) => ({ type: 'warning', rule, pointer, message: `${subject}: ${message}` }) as const,
  );
  if (announced === undefined) return tolerated;
  const message = `${subject} has the media type ${announced}, but its config has another type: it is read as ${mediaType}`;
  return [...tolerated, { type: 'warning', message }];
}

/** Warns if an edit has changed the media type of the list: clients and tools may treat the two types differently. */
export function reportFormatChange(before: Draft, after: Draft, onEvent: OnEvent | undefined): void {
  const format = formatOf(after);
  if (before.entries.length === 0 || formatOf(before) === format) return;
  onEvent?.({ type: 'warning', message: `${listName(after)} becomes ${becomes(format, after)}` });
}

function becomes(format: 'docker' | 'oci', { entries }: Draft): string {
  if (format === 'docker') return 'a Docker manifest list: nothing in it requires an OCI image index any more';
  const why =
    entries.length === 0
      ? 'an empty list is always encoded as one'
      : 'a Docker manifest list cannot have all its members';
  return `an OCI image index: ${why}`;
}
