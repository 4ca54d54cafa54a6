import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const logoutCommand: CommandDeclaration = {
  name: 'logout',
  usage: 'HOST',
  positionals: { min: 1, max: 1 },
  summary: 'Take a login away from where it is kept',
  uses: ['registry'],
  options: [],
  examples: [['mlist logout registry.example.com', 'Forget it']],
  load: () => import('./handler.ts'),
};
