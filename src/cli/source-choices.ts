import type { AttestationChoice } from '../index.ts';
import type { Invocation } from './language.ts';

/** How images come into a list: what `--attestations`, `--nested` and `--pin` say. */
export function sourceChoices(invocation: Invocation): {
  readonly attestations: AttestationChoice | undefined;
  readonly nested: 'keep' | 'flatten' | undefined;
  readonly pin: boolean;
} {
  return {
    attestations: invocation.text('attestations') as AttestationChoice | undefined,
    nested: invocation.text('nested') as 'keep' | 'flatten' | undefined,
    pin: invocation.flag('pin'),
  };
}
