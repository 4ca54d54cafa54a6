import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const rmCommand: CommandDeclaration = {
  name: 'rm',
  usage: 'LIST...',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  summary: 'Remove drafts, damaged ones too; nothing in a registry is touched',
  uses: [],
  options: [],
  examples: [['mlist rm team/app:1.0', 'Remove one draft']],
  load: () => import('./handler.ts'),
};
