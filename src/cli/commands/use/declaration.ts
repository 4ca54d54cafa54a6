import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const useCommand: CommandDeclaration = {
  name: 'use',
  usage: 'LIST',
  positionals: { min: 1, max: 1 },
  summary: 'Make a draft the current one',
  uses: [],
  options: [],
  examples: [['mlist use team/app:1.0', 'Commands without LIST mean it from now on']],
  load: () => import('./handler.ts'),
};
