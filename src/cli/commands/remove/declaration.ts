import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platformOption, editOptions } from '../../args/list-options.ts';

export const removeCommand: CommandDeclaration = {
  name: 'remove',
  usage: '[LIST] MANIFEST|DIGEST...  or  [LIST] --platform PLATFORM',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY, kinds: [['draft', 'entry'], ['entry']] },
  summary: 'Remove images and their attestations from a draft',
  uses: ['draft', 'registry'],
  options: [
    {
      ...platformOption,
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Remove the images for these platforms',
    },
    ...editOptions,
  ],
  examples: [
    ['mlist remove sha256:0123abcd', 'Remove an image by the beginning of its digest'],
    ['mlist remove team/app:1.0 --platform linux/arm/v6,linux/386', 'Remove the images for two platforms'],
  ],
  load: () => import('./handler.ts'),
};
