import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const showCommand: CommandDeclaration = {
  name: 'show',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1 },
  summary: 'Show a list to people: platforms, sizes, digests, attestations',
  uses: ['draft', 'registry'],
  options: [{ name: 'tree', type: 'boolean', describe: 'Show attestations and annotations too' }],
  examples: [['mlist show ubuntu:24.04', 'A list in a registry']],
  load: () => import('./handler.ts'),
};
