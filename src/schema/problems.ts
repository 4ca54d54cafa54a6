import { MAX_PROBLEMS, MlistError, type ErrorCode, type Problem } from '../errors/errors.ts';

/** This file contains functions that create and filter problems. */

export function error(rule: string, pointer: string, message: string): Problem {
  return { rule, severity: 'error', pointer, message };
}

export function warning(rule: string, pointer: string, message: string): Problem {
  return { rule, severity: 'warning', pointer, message };
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** Limits the number of problems to MAX_PROBLEMS. If there are more, errors take precedence over warnings. */
export function capped(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const errors = problems.filter((problem) => problem.severity === 'error');
  return [...errors, ...problems.filter((problem) => problem.severity !== 'error')].slice(0, MAX_PROBLEMS);
}

/**
 * Returns the error for an invalid document. The message contains only the first error; `problems` contains all
 * problems.
 * @param subject - the name of the document in the message
 */
export function refusal(
  subject: string,
  problems: readonly Problem[],
  code: ErrorCode = 'ERR_MLIST_DOCUMENT_INVALID',
): MlistError {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  const where = first === undefined || first.pointer === '' ? '' : ` at ${first.pointer}`;
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : '';
  return new MlistError(
    code,
    `${subject} is refused: ${first?.message ?? 'it is invalid'}${where} (${first?.rule ?? ''})${more}`,
    {
      problems,
    },
  );
}
