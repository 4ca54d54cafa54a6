import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { waitOption } from '../../args/list-options.ts';

export const digestCommand: CommandDeclaration = {
  name: 'digest',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Print the digest of a list or an image',
  uses: ['draft', 'registry'],
  options: [waitOption],
  examples: [['mlist digest team/app:1.0', 'Print the digest of the draft, or else of the list in the registry']],
  load: () => import('./handler.ts'),
};
