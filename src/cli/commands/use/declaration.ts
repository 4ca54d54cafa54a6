import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const useCommand: CommandDeclaration = {
  name: 'use',
  usage: 'LIST',
  positionals: { min: 1, max: 1, kinds: [['draft']] },
  summary: 'Make a draft the current draft',
  uses: [],
  options: [],
  examples: [['mlist use team/app:1.0', 'Use team/app:1.0 in all commands without LIST']],
  load: () => import('./handler.ts'),
};
