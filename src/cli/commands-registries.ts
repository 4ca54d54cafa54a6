import type { CommandSpec } from './language.ts';

const passwordHint =
  'The arguments of a command are visible to other users. Pass the password on stdin: "mlist login HOST -u USER --password-stdin <FILE".';

/** The commands about registries themselves. */
export const registryCommands: readonly CommandSpec[] = [
  {
    name: 'tags',
    usage: 'REPO',
    positionals: { min: 1, max: 1 },
    summary: 'Print the tags of a repository, one a line',
    uses: ['registry'],
    options: [],
    examples: [['mlist tags team/app', 'All tags of docker.io/team/app']],
    load: () => import('./commands/tags.ts'),
  },
  {
    name: 'delete',
    usage: 'REF',
    positionals: { min: 1, max: 1 },
    summary: 'Delete a tag from a registry, or by its digest a manifest with all its tags; drafts are removed by rm',
    uses: ['registry'],
    options: [],
    examples: [
      ['mlist delete registry.example.com/team/app:old', 'The tag alone'],
      [
        'mlist delete registry.example.com/team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
        'The manifest, and every tag that names it',
      ],
      [
        'mlist delete registry.example.com/team/app:old@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
        'The tag alone, if it still has that digest (else 5)',
      ],
    ],
    load: () => import('./commands/delete.ts'),
  },
  {
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
    load: () => import('./commands/login.ts'),
  },
  {
    name: 'logout',
    usage: 'HOST',
    positionals: { min: 1, max: 1 },
    summary: 'Take a login away from where it is kept',
    uses: ['registry'],
    options: [],
    examples: [['mlist logout registry.example.com', 'Forget it']],
    load: () => import('./commands/logout.ts'),
  },
];
