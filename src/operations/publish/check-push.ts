import { MlistError, type Problem } from '../../errors/errors.ts';
import { isAttestationEntry, listName, platformOf, type Draft } from '../../draft/draft.ts';
import { checkDraft, formatProblems, otherFormatHint } from '../../draft/draft-rules.ts';
import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import { formatPlatform, type Platform } from '../../oci/platform/platform.ts';
import { refusal } from '../../schema/problems.ts';
import type { OnEvent } from '../events.ts';
import { warnAboutDraft } from '../warnings.ts';

export interface CheckOptions {
  /** Platforms that the list must have. */
  readonly expect?: readonly Platform[] | undefined;
  readonly allowDuplicates?: boolean | undefined;
  /** Push a list that lists nothing. Default false: nobody could pull it. */
  readonly allowEmpty?: boolean | undefined;
  /** What to do about a list that lists nothing, where that is another thing than to add images. */
  readonly emptyHint?: string | undefined;
  /** What to do about two images for one platform, where there is no draft and no option. */
  readonly duplicateHint?: string | undefined;
  /** The format is asked for, and not the draft's own. */
  readonly isFormatAsked?: boolean | undefined;
  readonly strict?: boolean | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Everything that can be found out of a draft without a registry.
 * @throws MlistError `ERR_MLIST_LIST_INVALID` with all errors, `ERR_MLIST_EXPECTATION`
 */
export function checkBeforePush(draft: Draft, options: CheckOptions): void {
  const { strict, allowDuplicates, allowEmpty = false, expect = [], onEvent } = options;
  const problems = checkDraft(draft, { strict, allowDuplicates });
  const errors = problems.flatMap((problem) => asError(problem, allowEmpty));
  if (errors.length > 0) throw refusedList(draft, errors, options);
  warnAboutDraft(draft, onEvent, { allowDuplicates });
  const there = draft.entries.flatMap((entry) => (isAttestationEntry(entry) ? [] : (platformOf(entry) ?? [])));
  requireExpected(listName(draft), there, expect);
}

/** @throws MlistError `ERR_MLIST_EXPECTATION` with all platforms that are expected and not there */
export function requireExpected(reference: string, there: readonly Platform[], expect: readonly Platform[]): void {
  const missing = expect.filter((wanted) => !there.some((platform) => matchesPlatform(platform, wanted)));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((wanted) => platformNotFoundText(wanted, there)))].join(', ');
  const all = there.map((platform) => formatPlatform(platform, { all: true })).join(', ');
  throw new MlistError('ERR_MLIST_EXPECTATION', `${reference} lacks ${names}, which it is expected to have`, {
    reference,
    hint: `Add the missing images, or ask for what the list has: ${all === '' ? 'no image that states a platform' : all}.`,
  });
}

function asError(problem: Problem, allowEmpty: boolean): readonly Problem[] {
  if (problem.severity === 'error') return [problem];
  return problem.rule === 'W-EMPTY' && !allowEmpty ? [{ ...problem, severity: 'error' }] : [];
}

/** A single error is told in the sentence, several below it: each once. */
function refusedList(draft: Draft, errors: readonly Problem[], options: CheckOptions): MlistError {
  const subject = `the list ${listName(draft)}`;
  const { message } =
    errors.length === 1 ? refusal(subject, errors) : { message: `${subject} is refused, for ${errors.length} reasons` };
  return new MlistError('ERR_MLIST_LIST_INVALID', message, {
    reference: listName(draft),
    problems: errors,
    hint: hintFor(draft, errors, options),
  });
}

const WITHOUT_FORMAT =
  'Leave out --format docker, and it is pushed as an OCI index. A Docker list holds images of the Docker media types alone, ' +
  'without annotations, artifact types, subject, urls or data.';

const ADD_IMAGES = 'Add images with "mlist add", or push it all the same with --allow-empty.';

const TAKE_ONE_OUT = 'Take one of them out with "mlist remove DIGEST", or push both with --allow-duplicates.';

/** What lifts every error, if there is such a thing. */
function hintFor(draft: Draft, errors: readonly Problem[], options: CheckOptions): string | undefined {
  const { emptyHint = ADD_IMAGES, duplicateHint = TAKE_ONE_OUT } = options;
  const isOf = (...rules: readonly string[]) => errors.every(({ rule }) => rules.includes(rule));
  if (isOf('W-EMPTY')) return emptyHint;
  if (isOf('E-DUP-PLATFORM', 'E-DUP-DIGEST')) return duplicateHint;
  if (formatProblems(draft).length === 0) return undefined;
  return options.isFormatAsked === true ? WITHOUT_FORMAT : otherFormatHint(draft);
}
