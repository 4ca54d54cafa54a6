import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const exportCommand: CommandDeclaration = {
  name: 'export',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Print a list as a spec for mlist apply',
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
      'Export a list in order to apply it to another registry',
    ],
  ],
  load: () => import('./handler.ts'),
};
