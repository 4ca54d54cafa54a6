import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const showCommand: CommandDeclaration = {
  name: 'show',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1 },
  summary: 'Show a summary of a list: platforms, sizes, digests and attestations',
  uses: ['draft', 'registry'],
  options: [{ name: 'tree', type: 'boolean', describe: 'Also show attestations and annotations' }],
  examples: [['mlist show ubuntu:24.04', 'Show a list in a registry']],
  load: () => import('./handler.ts'),
};
