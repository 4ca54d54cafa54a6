import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const initCommand: CommandDeclaration = {
  name: 'init',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Make a workspace in this folder, whose drafts can be committed',
  uses: [],
  options: [],
  examples: [['mlist init', 'Makes .mlist/']],
  load: () => import('./handler.ts'),
};
