import type { CommandDeclaration } from '../../args/command-declaration.ts';

const passwordHint =
  'The arguments of a command are visible to other users. Pass the password on stdin: "mlist login HOST -u USER --password-stdin <FILE".';

export const loginCommand: CommandDeclaration = {
  name: 'login',
  usage: 'HOST',
  positionals: { min: 1, max: 1 },
  summary: "Try a login, and keep it in the credential helper or file that docker's and podman's tools share",
  uses: ['registry'],
  options: [
    { name: 'username', alias: 'u', type: 'string', value: 'USER', describe: 'User name (default: asked for)' },
    { name: 'password-stdin', type: 'boolean', describe: 'Read the password from stdin (default: asked for)' },
  ],
  foreignOptions: [
    ['p', passwordHint],
    ['password', passwordHint],
  ],
  examples: [
    ['mlist login registry.example.com --username me --password-stdin < password.txt', 'In a script'],
    ['mlist login docker.io --username me', 'On a terminal: the password is asked for'],
  ],
  load: () => import('./handler.ts'),
};
