import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const rmCommand: CommandDeclaration = {
  name: 'rm',
  usage: 'LIST...',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY, kinds: [['draft']] },
  summary: 'Remove drafts from the workspace; registries are not changed',
  uses: [],
  options: [
    {
      name: 'all',
      type: 'boolean',
      describe: 'Remove all drafts of the workspace; on a terminal, ask for confirmation unless --no-input is given',
    },
  ],
  examples: [
    ['mlist rm team/app:1.0', 'Remove a draft'],
    ['mlist rm --all', 'Remove all drafts of the workspace'],
  ],
  load: () => import('./handler.ts'),
};
