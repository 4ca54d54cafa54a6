import type { CommandDeclaration } from '../../args/command-declaration.ts';

const passwordHint =
  'The arguments of a command are visible to other users. Pass the password on stdin: "mlist login HOST -u USER --password-stdin <FILE".';

export const loginCommand: CommandDeclaration = {
  name: 'login',
  usage: 'HOST',
  positionals: { min: 1, max: 1 },
  summary: 'Log in to a registry, and store the credentials as docker and podman do',
  uses: ['registry'],
  options: [
    {
      name: 'username',
      alias: 'u',
      type: 'string',
      value: 'USER',
      describe: 'Set the user name (default: prompt for it)',
    },
    { name: 'password-stdin', type: 'boolean', describe: 'Read the password from stdin (default: prompt for it)' },
  ],
  foreignOptions: [
    ['p', passwordHint],
    ['password', passwordHint],
  ],
  examples: [
    ['mlist login registry.example.com --username me --password-stdin < password.txt', 'Log in from a script'],
    ['mlist login docker.io --username me', 'Log in interactively, with a password prompt'],
  ],
  load: () => import('./handler.ts'),
};
