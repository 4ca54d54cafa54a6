import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const tagsCommand: CommandDeclaration = {
  name: 'tags',
  usage: 'REPO',
  positionals: { min: 1, max: 1 },
  summary: 'Print the tags of a repository, one a line',
  uses: ['registry'],
  options: [],
  examples: [['mlist tags team/app', 'All tags of docker.io/team/app']],
  load: () => import('./handler.ts'),
};
