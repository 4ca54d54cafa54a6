import { MlistError } from '../../errors/errors.ts';
import type { MissingChoice, MissingPolicy } from '../../operations/publish/fill.ts';
import type { AttestationChoice } from '../../operations/sources/resolve-source.ts';
import type { Context } from '../context.ts';
import { waitTime } from './duration.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { typedBareLocation } from './typed-arguments.ts';

/**
 * Reads the options that control how images are read into a list: `--attestations`, `--missing`, `--fill-from`,
 * `--nested`, `--pin` and `--wait-for-source`.
 */
export function sourceChoices(
  args: ParsedArguments,
  context: Context,
): MissingPolicy & {
  readonly attestations: AttestationChoice | undefined;
  readonly nested: 'keep' | 'flatten' | undefined;
  readonly pin: boolean;
  readonly waitForSourceMs: number;
} {
  return {
    attestations: args.text('attestations') as AttestationChoice | undefined,
    ...missingPolicy(args, context),
    nested: args.text('nested') as 'keep' | 'flatten' | undefined,
    pin: args.flag('pin'),
    waitForSourceMs: waitTime(args, 'wait-for-source'),
  };
}

/**
 * Reads the options `--missing` and `--fill-from`.
 * @param isSpecAware - whether `--fill-from` is allowed without `--missing fill`, because a spec may set `fill`.
 *   Default false
 * @throws MlistError `ERR_MLIST_USAGE` if `--fill-from` is given without `--missing fill`, unless `isSpecAware` is set
 */
export function missingPolicy(
  args: ParsedArguments,
  context: Context,
  { isSpecAware = false }: { readonly isSpecAware?: boolean } = {},
): MissingPolicy {
  const missing = args.text('missing') as MissingChoice | undefined;
  const names = args.texts('fill-from');
  if (names.length === 0) return { missing };
  if (missing !== 'fill' && !isSpecAware) throw new MlistError('ERR_MLIST_USAGE', '--fill-from needs --missing fill');
  return { missing, fillFrom: names.map((name) => typedBareLocation(name, context)) };
}
