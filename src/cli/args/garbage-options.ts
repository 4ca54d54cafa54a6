import type { OptionDeclaration, ParsedArguments } from './command-declaration.ts';
import { parseDuration } from './duration.ts';

/** Options of `gc` and `serve --gc`. */

export const graceOption: OptionDeclaration = {
  name: 'grace',
  type: 'string',
  value: 'DURATION',
  describe: 'Keep content that was uploaded or used within DURATION (default 1h)',
};

export const deleteUntaggedOption: OptionDeclaration = {
  name: 'delete-untagged',
  type: 'boolean',
  describe: 'Also remove manifests without a tag, unless an index or a subject that stays refers to them',
};

const HOUR_MS = 3_600_000;

export function garbageOptions(args: ParsedArguments): { readonly grace: number; readonly deleteUntagged: boolean } {
  const grace = args.text('grace');
  return {
    grace: grace === undefined ? HOUR_MS : parseDuration(grace, '--grace', 0),
    deleteUntagged: args.flag('delete-untagged'),
  };
}
