import type { AttestationChoice, MissingChoice } from '../index.ts';
import type { Invocation } from './language.ts';

/** Options for reading images into a list: `--attestations`, `--missing`, `--nested` and `--pin`. */
export function sourceChoices(invocation: Invocation): {
  readonly attestations: AttestationChoice | undefined;
  readonly missing: MissingChoice | undefined;
  readonly nested: 'keep' | 'flatten' | undefined;
  readonly pin: boolean;
} {
  return {
    attestations: invocation.text('attestations') as AttestationChoice | undefined,
    missing: missingChoice(invocation),
    nested: invocation.text('nested') as 'keep' | 'flatten' | undefined,
    pin: invocation.flag('pin'),
  };
}

export function missingChoice(invocation: Invocation): MissingChoice | undefined {
  return invocation.text('missing') as MissingChoice | undefined;
}
