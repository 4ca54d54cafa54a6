import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const lsCommand: CommandDeclaration = {
  name: 'ls',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'List the drafts of the workspace',
  uses: [],
  options: [],
  examples: [['mlist ls --json', 'For programs']],
  load: () => import('./handler.ts'),
};
