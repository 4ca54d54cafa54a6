import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const exportCommand: CommandDeclaration = {
  name: 'export',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Print the spec of a list for mlist apply',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'as',
      type: 'string',
      value: 'LIST',
      describe: 'Set the list that the spec creates (default: the exported list)',
    },
  ],
  examples: [
    [
      'mlist export team/app:1.0 --as registry.example/team/app:1.0 > app.yaml',
      'Export a list, to apply it to another registry',
    ],
  ],
  load: () => import('./handler.ts'),
};
