import { MlistError, type NextStep, type Problem } from '../../errors/errors.ts';
import type { Remedy } from '../../errors/remedy.ts';
import { imagePlatforms, listName, type Draft } from '../../draft/draft.ts';
import { checkDraft, convertToOci, formatProblems } from '../../draft/draft-rules.ts';
import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import { formatPlatforms, type Platform } from '../../oci/platform/platform.ts';
import { refusal } from '../../schema/problems.ts';
import type { OnEvent } from '../events.ts';
import { warnAboutDraft } from '../warnings.ts';

export interface CheckOptions {
  /** Platforms that the list must have. Default: none. */
  readonly expect?: readonly Platform[] | undefined;
  /** Allow several images for one platform. Default false. */
  readonly allowDuplicates?: boolean | undefined;
  /** Allow an empty list. Default false, because clients cannot pull it. */
  readonly allowEmpty?: boolean | undefined;
  /** The hint for an empty list. Default: a hint to add images, or to allow an empty list. */
  readonly emptyHint?: string | undefined;
  /**
   * The hint for several images for one platform. Default: a hint to remove one from the draft, or to allow duplicates.
   */
  readonly duplicateHint?: string | undefined;
  /** Whether `--format` overrides the format of the draft. Default false. */
  readonly isFormatOverridden?: boolean | undefined;
  /** Treat warnings as errors. Default false. */
  readonly strict?: boolean | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Checks a draft without sending requests, and reports warnings.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` with all errors if the list is invalid; `ERR_MLIST_EXPECTATION` if an
 * expected platform is missing
 */
export function checkBeforePush(draft: Draft, options: CheckOptions): void {
  const { strict, allowDuplicates, allowEmpty = false, expect = [], onEvent } = options;
  const problems = checkDraft(draft, { strict, allowDuplicates });
  const errors = problems.flatMap((problem) => asError(problem, allowEmpty));
  if (errors.length > 0) throw refusedList(draft, errors, options);
  warnAboutDraft(draft, onEvent, { allowDuplicates });
  requireExpected(listName(draft), imagePlatforms(draft.entries), expect);
}

/**
 * Requires images for the expected platforms.
 * @throws MlistError `ERR_MLIST_EXPECTATION` if expected platforms are missing. The message lists all of them
 */
export function requireExpected(reference: string, available: readonly Platform[], expect: readonly Platform[]): void {
  const missing = expect.filter((requested) => !available.some((platform) => matchesPlatform(platform, requested)));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((requested) => platformNotFoundText(requested, available)))].join(', ');
  throw new MlistError('ERR_MLIST_EXPECTATION', `${reference} lacks ${names}, which it is expected to have`, {
    reference,
    hint:
      available.length === 0
        ? 'No image has a platform. Add the missing images.'
        : `Add the missing images, or expect only the available platforms: ${formatPlatforms(available)}.`,
  });
}

function asError(problem: Problem, allowEmpty: boolean): readonly Problem[] {
  if (problem.severity === 'error') return [problem];
  return problem.rule === 'W-EMPTY' && !allowEmpty ? [{ ...problem, severity: 'error' }] : [];
}

/**
 * Returns the error for a list that cannot be pushed. If there is one problem, it is part of the message. Several
 * problems are only listed in `problems`.
 */
function refusedList(draft: Draft, errors: readonly Problem[], options: CheckOptions): MlistError {
  const subject = `the list ${listName(draft)}`;
  const { message } =
    errors.length === 1 ? refusal(subject, errors) : { message: `${subject} has ${errors.length} errors` };
  return new MlistError('ERR_MLIST_LIST_INVALID', message, {
    reference: listName(draft),
    problems: errors,
    ...nextStepFor(draft, errors, options),
  });
}

const WITHOUT_FORMAT =
  'Push the list as an OCI index. A Docker list can contain only images with Docker media types, ' +
  'and no annotations, artifact types, subject, urls or data.';

/** Returns the next step for a list with these errors, or an empty object if none is known. */
function nextStepFor(draft: Draft, errors: readonly Problem[], options: CheckOptions): NextStep {
  const { emptyHint, duplicateHint, isFormatOverridden = false } = options;
  const isOf = (...rules: readonly string[]) => errors.every(({ rule }) => rules.includes(rule));
  if (isOf('W-EMPTY')) return hintOr(emptyHint, { kind: 'allow-empty' });
  if (isOf('E-DUP-PLATFORM', 'E-DUP-DIGEST')) return hintOr(duplicateHint, { kind: 'resolve-duplicates' });
  if (formatProblems(draft).length === 0) return {};
  return isFormatOverridden ? { hint: WITHOUT_FORMAT } : { remedy: convertToOci(draft) };
}

function hintOr(hint: string | undefined, remedy: Remedy): NextStep {
  return hint === undefined ? { remedy } : { hint };
}
