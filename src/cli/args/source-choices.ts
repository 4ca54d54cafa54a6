import type { MissingChoice } from '../../operations/publish/find-missing.ts';
import type { AttestationChoice } from '../../operations/sources/resolve-source.ts';
import { waitTime } from './duration.ts';
import type { ParsedArguments } from './command-declaration.ts';

/** The options for reading images into a list: `--attestations`, `--missing`, `--nested`, `--pin` and `--wait-for-source`. */
export function sourceChoices(invocation: ParsedArguments): {
  readonly attestations: AttestationChoice | undefined;
  readonly missing: MissingChoice | undefined;
  readonly nested: 'keep' | 'flatten' | undefined;
  readonly pin: boolean;
  readonly waitForSourceMs: number;
} {
  return {
    attestations: invocation.text('attestations') as AttestationChoice | undefined,
    missing: missingChoice(invocation),
    nested: invocation.text('nested') as 'keep' | 'flatten' | undefined,
    pin: invocation.flag('pin'),
    waitForSourceMs: waitTime(invocation, 'wait-for-source'),
  };
}

export function missingChoice(invocation: ParsedArguments): MissingChoice | undefined {
  return invocation.text('missing') as MissingChoice | undefined;
}
