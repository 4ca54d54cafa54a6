import { MAX_PROBLEMS, MlistError, type ErrorCode, type Problem } from '../errors/errors.ts';

/** Building and weighing problems. */

export function error(rule: string, pointer: string, message: string): Problem {
  return { rule, severity: 'error', pointer, message };
}

export function warning(rule: string, pointer: string, message: string): Problem {
  return { rule, severity: 'warning', pointer, message };
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** At most the allowed number of problems, errors before warnings, in the order of the document otherwise. */
export function capped(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const errors = problems.filter((problem) => problem.severity === 'error');
  return [...errors, ...problems.filter((problem) => problem.severity !== 'error')].slice(0, MAX_PROBLEMS);
}

/** The error that refuses a document for its problems; the sentence names the first, the rest is in `problems`. */
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
    `${subject} is refused: ${first?.message ?? 'it has problems'}${where} (${first?.rule ?? ''})${more}`,
    {
      problems,
    },
  );
}
