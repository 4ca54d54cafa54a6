import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { deleteUntaggedOption, graceOption } from '../../args/garbage-options.ts';

export const gcCommand: CommandDeclaration = {
  name: 'gc',
  usage: 'DIR',
  positionals: { min: 1, max: 1, kinds: [['file']] },
  summary: 'Remove unreferenced content from the folder of "mlist serve", or from an OCI layout',
  uses: [],
  worksWithoutWorkspace: true,
  options: [
    graceOption,
    deleteUntaggedOption,
    { name: 'dry-run', type: 'boolean', describe: 'Print what would be removed, without removing anything' },
  ],
  examples: [
    ['mlist gc ./registry', 'Remove unreferenced blobs that have not been used for an hour'],
    ['mlist gc ./registry --delete-untagged --dry-run', 'Print what would be removed, including untagged manifests'],
  ],
  load: () => import('./handler.ts'),
};
