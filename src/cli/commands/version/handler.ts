import { aboutProgram } from '../../../operations/doctor/about-program.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import type { Context } from '../../context.ts';

export function run(_args: ParsedArguments, { output }: Context): Promise<number> {
  const about = aboutProgram();
  if (output.json) output.document(about);
  else {
    const { version, commit = 'unknown', node, system, features } = about;
    output.line(`mlist ${version}`);
    for (const [name, value] of [
      ['commit', commit],
      ['node', node],
      ['system', system],
      ['features', features.join(', ') || 'none'],
    ] as const)
      output.line(`  ${name.padEnd(8)}  ${value}`);
  }
  return Promise.resolve(0);
}
