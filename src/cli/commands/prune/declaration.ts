import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const pruneCommand: CommandDeclaration = {
  name: 'prune',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Remove cached blobs that no draft uses',
  uses: [],
  options: [],
  examples: [['mlist prune', 'Remove unused cached blobs that are older than an hour']],
  load: () => import('./handler.ts'),
};
