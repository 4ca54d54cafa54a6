import { resolve } from 'node:path';
import { exitCodes, validateBytes, validateFile, validateList, type Problem, type Validated } from '../../index.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const { output } = context;
  const { subject, from, problems } = await check(list, invocation, context);
  const isRefused = (problem: Problem) => problem.severity === 'error' || invocation.flag('strict');
  const valid = !problems.some(isRefused);
  if (output.json) output.document({ ...subjectDocument(subject, from), valid, problems });
  else {
    for (const { rule, severity, pointer, message } of problems) {
      output.line(
        [severity, severity === 'error' ? 'red' : 'yellow'],
        ` ${rule} `,
        [pointer === '' ? '/' : pointer, 'cyan'],
        `: ${message}`,
      );
    }
    output.note(valid ? ['valid ', 'green'] : ['refused ', 'red'], subject);
  }
  return valid ? 0 : exitCodes.ERR_MLIST_DOCUMENT_INVALID;
}

async function check(name: string | undefined, invocation: Invocation, context: Context): Promise<Validated> {
  const rules = { strict: invocation.flag('strict'), allowDuplicates: invocation.flag('allow-duplicates') };
  if (name === '-') return validateBytes('stdin', await context.stdin(), rules);
  if (name !== undefined && isFile(name)) return validateFile(resolve(context.cwd, name), rules);
  return validateList(name, rules, context);
}

/** A name is never taken for a file by what exists: a file begins like a path. */
function isFile(name: string): boolean {
  return /^(?:\.{0,2}[\\/]|[A-Za-z]:[\\/])/.test(name);
}

/** What is in a registry or a draft has a reference, a file has a path, and stdin has neither. */
function subjectDocument(subject: string, from: Validated['from']): object {
  if (from !== 'file') return { from, ref: subject };
  return subject === 'stdin' ? { from: 'stdin' } : { from, path: subject };
}
