import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { sourceOptions, pushingOptions } from '../../args/list-options.ts';

export const addCommand: CommandDeclaration = {
  name: 'add',
  usage: '[LIST] MANIFEST[=PLATFORM]...',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  summary: 'Add images to a draft; one for the same platform is replaced',
  uses: ['draft', 'registry'],
  options: [
    { name: 'keep', type: 'boolean', describe: 'Keep an image of the same platform beside the new one' },
    ...sourceOptions,
    ...pushingOptions,
  ],
  examples: [
    ['mlist add team/app:1.0-riscv64', 'Add to the current draft'],
    ['mlist add team/app:1.0 team/app:1.0-riscv64', 'Add to team/app:1.0'],
    ['mlist add team/app:1.0 team/app:1.0-riscv64 --push', 'Add to what the registry has, in one go'],
  ],
  load: () => import('./handler.ts'),
};
