import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const lsCommand: CommandDeclaration = {
  name: 'ls',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'List the drafts in the workspace',
  uses: [],
  options: [],
  examples: [['mlist ls --json', 'Print the drafts as JSON']],
  load: () => import('./handler.ts'),
};
