import { MlistError } from '../errors/errors.ts';
import type { Context } from './context.ts';
import { readInput } from './args/input-file.ts';
import type { ParsedArguments } from './args/command-declaration.ts';

export interface Question {
  readonly what: string;
  readonly question: string;
  /** The option that answers it instead. */
  readonly option: string;
  readonly hidden: boolean;
}

const passwordQuestion: Question = {
  what: 'password',
  question: 'Password: ',
  option: '--password-stdin',
  hidden: true,
};

/**
 * Reads the password of `--password-stdin`, or asks for it. There is no option for the password itself, because the
 * arguments of a command are visible to other users.
 * @param subject - what the password is for, for the error
 */
export async function readPassword(subject: string, invocation: ParsedArguments, context: Context): Promise<string> {
  if (!invocation.flag('password-stdin')) return ask(passwordQuestion, subject, invocation, context);
  const bytes = await readInput('-', context);
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** @throws MlistError `ERR_MLIST_USAGE` if nobody can be asked, or there is no answer */
export async function ask(
  { what, question, option, hidden }: Question,
  subject: string,
  { command }: ParsedArguments,
  context: Context,
): Promise<string> {
  if (!context.canAsk) {
    throw new MlistError('ERR_MLIST_USAGE', `nobody can be asked here: ${option} is missing`, {
      hint: `See "mlist ${command.name} --help".`,
    });
  }
  const answer = await context.ask(question, { hidden });
  if (answer !== '') return answer;
  throw new MlistError('ERR_MLIST_USAGE', `no ${what} is given for ${subject}`);
}
