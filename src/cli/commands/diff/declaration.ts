import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { outputFormatOption } from '../../args/output-format.ts';

export const diffCommand: CommandDeclaration = {
  name: 'diff',
  usage: '[LIST|REF] [REF]',
  positionals: { min: 0, max: 2, kinds: [['draft', 'image'], ['image']] },
  summary: 'Compare a list entry by entry with REF, or with what a push would replace',
  uses: ['draft', 'registry'],
  options: [
    { name: 'exit-code', type: 'boolean', describe: 'Exit with code 8 if there are differences' },
    outputFormatOption,
  ],
  examples: [
    ['mlist diff', 'Show what a push of the current draft would change'],
    ['mlist diff team/app:1.1 team/app:1.0', 'Show the changes from 1.0 to 1.1'],
  ],
  load: () => import('./handler.ts'),
};
