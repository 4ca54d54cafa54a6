import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const logoutCommand: CommandDeclaration = {
  name: 'logout',
  usage: 'HOST',
  positionals: { min: 1, max: 1 },
  summary: 'Log out from a registry',
  uses: ['registry'],
  options: [],
  examples: [['mlist logout registry.example.com', 'Remove the stored credentials']],
  load: () => import('./handler.ts'),
};
