import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const exportCommand: CommandDeclaration = {
  name: 'export',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1 },
  summary: 'Print the spec of a draft, or of what lies somewhere, for mlist apply',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'as',
      type: 'string',
      value: 'LIST',
      describe: 'The list that the spec is to make (default: the one that is exported)',
    },
  ],
  examples: [['mlist export team/app:1.0 --as registry.example/team/app:1.0 > app.yaml', 'To apply it elsewhere']],
  load: () => import('./handler.ts'),
};
