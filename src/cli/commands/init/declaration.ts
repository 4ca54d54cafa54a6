import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const initCommand: CommandDeclaration = {
  name: 'init',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Create a workspace in the current folder, for drafts under version control',
  uses: [],
  options: [],
  examples: [['mlist init', 'Create .mlist/']],
  load: () => import('./handler.ts'),
};
