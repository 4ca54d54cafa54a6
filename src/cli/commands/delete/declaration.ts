import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const deleteCommand: CommandDeclaration = {
  name: 'delete',
  usage: 'REF',
  positionals: { min: 1, max: 1 },
  summary: 'Delete a tag from a registry, or a manifest and all its tags',
  uses: ['registry'],
  options: [],
  examples: [
    ['mlist delete registry.example.com/team/app:old', 'Delete only the tag'],
    ['mlist delete "registry.example.com/team/app@$DIGEST"', 'Delete the manifest, and every tag that refers to it'],
    [
      'mlist delete "registry.example.com/team/app:old@$DIGEST"',
      'Delete only the tag, and fail with exit code 5 if its digest has changed',
    ],
  ],
  load: () => import('./handler.ts'),
};
