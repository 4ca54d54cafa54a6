import { MlistError } from '../errors/errors.ts';
import type { Context } from './context.ts';
import { readInput } from './args/input-file.ts';
import type { ParsedArguments } from './args/command-declaration.ts';

export interface Question {
  /** How messages refer to the answer, such as `password`. */
  readonly what: string;
  readonly question: string;
  /** The option that avoids the prompt. The error mentions it if a prompt is not possible. */
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
 * Reads the password from stdin with `--password-stdin`, otherwise prompts for it. There is no option for the password
 * itself, because the arguments of a command are visible to other users.
 * @param subject - the registry or user that the password belongs to, for the error
 */
export async function readPassword(subject: string, args: ParsedArguments, context: Context): Promise<string> {
  if (!args.flag('password-stdin')) return ask(passwordQuestion, subject, args, context);
  const bytes = await readInput('-', context);
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/**
 * Prompts the user, and returns the answer.
 * @throws MlistError `ERR_MLIST_USAGE` if a prompt is not possible, or the answer is empty
 */
export async function ask(
  { what, question, option, hidden }: Question,
  subject: string,
  { command }: ParsedArguments,
  context: Context,
): Promise<string> {
  if (!context.canAsk) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `missing option: ${option} (prompts need a terminal, and are disabled in CI and by --no-input)`,
      {
        hint: noTerminalHint(command.name),
      },
    );
  }
  const answer = await context.ask(question, { hidden });
  if (answer !== '') return answer;
  throw new MlistError('ERR_MLIST_USAGE', `missing ${what} for ${subject}: the input is empty`);
}

/** Returns the hint of the error for a prompt that is not possible. For `login`, it shows a command for scripts. */
function noTerminalHint(command: string): string {
  const help = `See "mlist ${command} --help".`;
  return command === 'login' ? `In scripts, use "mlist login HOST -u USER --password-stdin <FILE". ${help}` : help;
}
