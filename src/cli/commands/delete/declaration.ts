import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const deleteCommand: CommandDeclaration = {
  name: 'delete',
  usage: 'REF',
  positionals: { min: 1, max: 1, kinds: [['image']] },
  summary: 'Delete a tag, a manifest with all its tags, or a repository from a registry',
  uses: ['registry'],
  options: [
    {
      name: 'repository',
      type: 'boolean',
      describe: 'Delete the repository REF with all its content; only "mlist serve" supports this',
    },
    {
      name: 'dir',
      type: 'string',
      value: 'DIR',
      describe:
        'With --repository: delete the repository from DIR, the folder of "mlist serve --dir"; REF is only its name, such as team/app',
    },
  ],
  examples: [
    ['mlist delete registry.example.com/team/app:old', 'Delete only the tag'],
    ['mlist delete "registry.example.com/team/app@$DIGEST"', 'Delete the manifest, and every tag that refers to it'],
    [
      'mlist delete "registry.example.com/team/app:old@$DIGEST"',
      'Delete only the tag, and fail with exit code 5 if its digest has changed',
    ],
    ['mlist delete --repository --dir ./registry team/app', 'Delete a repository of "mlist serve --dir ./registry"'],
  ],
  load: () => import('./handler.ts'),
};
