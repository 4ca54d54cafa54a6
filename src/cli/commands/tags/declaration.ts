import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const tagsCommand: CommandDeclaration = {
  name: 'tags',
  usage: 'REPO',
  positionals: { min: 1, max: 1 },
  summary: 'List the tags of a repository, one per line',
  uses: ['registry'],
  options: [],
  examples: [['mlist tags team/app', 'List all tags of docker.io/team/app']],
  load: () => import('./handler.ts'),
};
