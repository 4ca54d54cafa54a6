import type { Problem } from '../errors/errors.ts';
import { listName, type Draft } from '../draft/draft.ts';
import { formatOf } from '../draft/to-list.ts';
import { checkDraft } from '../draft/draft-rules.ts';
import type { ManifestContent } from '../store/store.ts';
import { tolerancesIn } from '../schema/documents.ts';
import type { RuleOptions } from '../schema/rules/list-rules.ts';
import type { OnEvent, OperationEvent } from './events.ts';

/**
 * Rules whose warnings are reported when a list is edited or pushed. Only `validate` reports the warnings of other
 * rules.
 */
const reportedRules = new Set([
  'E-DUP-PLATFORM',
  'E-DUP-DIGEST',
  'E-PLAT-MISSING',
  'W-PLAT-UNKNOWN',
  'W-WIN-OSVER',
  'W-NESTED',
  'W-ATT-ORPHAN',
]);

/**
 * Reports problems of a draft as warnings, including problems that are errors only with `strict`. Does not refuse the
 * draft.
 */
export function warnAboutDraft(draft: Draft, onEvent: OnEvent | undefined, options: RuleOptions = {}): void {
  reportWarnings(checkDraft(draft, { ...options, strict: true }), onEvent);
}

/** Reports all errors, and the warnings of `reportedRules`, as warnings. */
export function reportWarnings(problems: readonly Problem[], onEvent: OnEvent | undefined): void {
  for (const { rule, severity, pointer, message } of problems) {
    if (severity === 'error' || reportedRules.has(rule)) onEvent?.({ type: 'warning', rule, pointer, message });
  }
}

/** Returns warnings about content that is accepted although it does not conform to its specification. */
export function toleranceWarnings(
  { descriptor, bytes, announced }: ManifestContent,
  subject: string,
): readonly OperationEvent[] {
  const { mediaType } = descriptor;
  const tolerated = tolerancesIn(bytes, mediaType).map(
    ({ rule, pointer, message }) => ({ type: 'warning', rule, pointer, message: `${subject}: ${message}` }) as const,
  );
  if (announced === undefined) return tolerated;
  const message = `${subject} was served as ${announced}, but its config is not a Docker config: it is read as ${mediaType}`;
  return [...tolerated, { type: 'warning', message }];
}

/**
 * Warns if an edit has changed the media type of a list with entries, because clients and tools may treat the two types
 * differently.
 */
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
      : 'it has members that a Docker manifest list cannot have';
  return `an OCI image index: ${why}`;
}
