import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const rmCommand: CommandDeclaration = {
  name: 'rm',
  usage: 'LIST...',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  summary: 'Remove drafts from the workspace; registries are not changed',
  uses: [],
  options: [],
  examples: [['mlist rm team/app:1.0', 'Remove a draft']],
  load: () => import('./handler.ts'),
};
