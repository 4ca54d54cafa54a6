import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platform, pushingOptions } from '../../args/list-options.ts';

export const removeCommand: CommandDeclaration = {
  name: 'remove',
  usage: '[LIST] MANIFEST|DIGEST...  or  [LIST] --platform P',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
  summary: 'Take images out of a draft, and their attestations with them',
  uses: ['draft', 'registry'],
  options: [
    { ...platform, repeat: true, value: 'P,P', describe: 'Take out the images of these platforms' },
    ...pushingOptions,
  ],
  examples: [
    ['mlist remove sha256:0123abcd', 'The beginning of a digest is enough'],
    ['mlist remove team/app:1.0 --platform linux/arm/v6,linux/386', 'By platform'],
  ],
  load: () => import('./handler.ts'),
};
