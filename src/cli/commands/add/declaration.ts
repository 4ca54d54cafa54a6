import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { sourceOptions, editOptions } from '../../args/list-options.ts';

export const addCommand: CommandDeclaration = {
  name: 'add',
  usage: '[LIST] MANIFEST[=PLATFORM]...',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: [['draft', 'image=platform'], ['image=platform']] },
  summary: 'Add images to a draft, and replace existing images for the same platform',
  uses: ['draft', 'registry'],
  options: [
    { name: 'keep', type: 'boolean', describe: 'Keep existing images for the same platform' },
    ...sourceOptions,
    ...editOptions,
  ],
  examples: [
    ['mlist add team/app:1.0-riscv64', 'Add an image to the current draft'],
    ['mlist add team/app:1.0 team/app:1.0-riscv64', 'Add an image to the draft team/app:1.0'],
    ['mlist add team/app:1.0 team/app:1.0-riscv64 --push', 'Add an image to the list in the registry'],
  ],
  load: () => import('./handler.ts'),
};
