import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { deleteUntaggedOption, graceOption } from '../../args/garbage-options.ts';

export const gcCommand: CommandDeclaration = {
  name: 'gc',
  usage: 'DIR',
  positionals: { min: 1, max: 1, kinds: [['file']] },
  summary: 'Remove content that nothing refers to from the folder of "mlist serve", or from an OCI layout',
  uses: [],
  worksWithoutWorkspace: true,
  options: [
    graceOption,
    deleteUntaggedOption,
    { name: 'dry-run', type: 'boolean', describe: 'Report what would be removed, and remove nothing' },
  ],
  examples: [
    ['mlist gc ./registry', 'Remove unreferenced blobs that were not used for an hour'],
    ['mlist gc ./registry --delete-untagged --dry-run', 'Show what removing untagged manifests would free'],
  ],
  load: () => import('./handler.ts'),
};
