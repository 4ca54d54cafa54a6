import { MlistError } from '../../../errors/errors.ts';
import { alternatives } from '../../args/parse-arguments.ts';
import { completionScript, shells } from '../../completion/completion-script.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export function run(args: ParsedArguments, { output }: Context): Promise<number> {
  const shell = shells.find((name) => name === args.positionals[0]);
  if (shell === undefined)
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `completion takes ${alternatives(shells)}, not ${JSON.stringify(args.positionals[0])}`,
    );
  const script = completionScript(shell);
  if (output.json) output.document({ shell, script });
  else for (const line of script.trimEnd().split('\n')) output.line(line);
  return Promise.resolve(0);
}
