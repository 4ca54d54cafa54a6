import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const diffCommand: CommandDeclaration = {
  name: 'diff',
  usage: '[LIST|REF] [REF]',
  positionals: { min: 0, max: 2 },
  summary:
    'Show, entry by entry, what would change in REF if it became LIST; by default what a push of the draft changes',
  uses: ['draft', 'registry'],
  options: [{ name: 'exit-code', type: 'boolean', describe: 'End with 8 where there is a difference' }],
  examples: [
    ['mlist diff', 'What a push of the current draft would change'],
    ['mlist diff team/app:1.1 team/app:1.0', 'From 1.0 to 1.1'],
  ],
  load: () => import('./handler.ts'),
};
