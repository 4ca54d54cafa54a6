import type { MissingChoice } from '../../operations/publish/find-missing.ts';
import type { AttestationChoice } from '../../operations/sources/resolve-source.ts';
import { waitTime } from './duration.ts';
import type { ParsedArguments } from './command-declaration.ts';

/** The options for reading images into a list: `--attestations`, `--missing`, `--nested`, `--pin` and `--wait-for-source`. */
export function sourceChoices(args: ParsedArguments): {
  readonly attestations: AttestationChoice | undefined;
  readonly missing: MissingChoice | undefined;
  readonly nested: 'keep' | 'flatten' | undefined;
  readonly pin: boolean;
  readonly waitForSourceMs: number;
} {
  return {
    attestations: args.text('attestations') as AttestationChoice | undefined,
    missing: missingChoice(args),
    nested: args.text('nested') as 'keep' | 'flatten' | undefined,
    pin: args.flag('pin'),
    waitForSourceMs: waitTime(args, 'wait-for-source'),
  };
}

export function missingChoice(args: ParsedArguments): MissingChoice | undefined {
  return args.text('missing') as MissingChoice | undefined;
}
