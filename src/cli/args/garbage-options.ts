import type { OptionDeclaration, ParsedArguments } from './command-declaration.ts';
import { parseDuration } from './duration.ts';

/** This file declares the options that `mlist gc` and `mlist serve --gc` share. */

export const graceOption: OptionDeclaration = {
  name: 'grace',
  type: 'string',
  value: 'DURATION',
  describe: 'Keep content that was uploaded or used in the last DURATION (default 1h)',
};

export const deleteUntaggedOption: OptionDeclaration = {
  name: 'delete-untagged',
  type: 'boolean',
  describe:
    'Also remove untagged manifests, except child manifests of remaining indexes and referrers of remaining manifests',
};

export function garbageOptions(args: ParsedArguments): { readonly grace: number; readonly deleteUntagged: boolean } {
  return {
    grace: parseDuration(args.text('grace') ?? '1h', '--grace', 0),
    deleteUntagged: args.flag('delete-untagged'),
  };
}
