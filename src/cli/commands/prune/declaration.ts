import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const pruneCommand: CommandDeclaration = {
  name: 'prune',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Remove cached blobs that no draft needs',
  uses: [],
  options: [],
  examples: [['mlist prune', 'Only what is older than an hour']],
  load: () => import('./handler.ts'),
};
