import { MlistError } from '../../errors/errors.ts';
import type { OptionDeclaration, ParsedArguments } from './command-declaration.ts';

/** The option `--format` of commands that can print their result as Markdown. */
export const outputFormatOption: OptionDeclaration = {
  name: 'format',
  type: 'string',
  choices: ['text', 'markdown'],
  value: 'FORMAT',
  describe: 'Print the result as text or as markdown, for example for the summary of a CI job (default text)',
};

/**
 * Whether to print the result as Markdown.
 * @throws MlistError `ERR_MLIST_USAGE` if `--format markdown` and `--json` are both given
 */
export function isMarkdown(args: ParsedArguments): boolean {
  if (args.text('format') !== 'markdown') return false;
  if (args.flag('json')) throw new MlistError('ERR_MLIST_USAGE', '--json and --format markdown cannot be combined');
  return true;
}
