import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const versionCommand: CommandDeclaration = {
  name: 'version',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Print the version, the commit, and the available features',
  uses: [],
  options: [],
  examples: [
    ['mlist version --json', 'Print the details for a bug report as JSON'],
    ['mlist --version', 'Print only the version'],
  ],
  load: () => import('./handler.ts'),
};
