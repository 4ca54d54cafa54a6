import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const versionCommand: CommandDeclaration = {
  name: 'version',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Print the version, the commit, and what this Node supports',
  uses: [],
  options: [],
  examples: [
    ['mlist version --json', 'Print the facts that a bug report needs as JSON'],
    ['mlist --version', 'Print only the version'],
  ],
  load: () => import('./handler.ts'),
};
