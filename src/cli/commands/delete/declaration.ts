import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const deleteCommand: CommandDeclaration = {
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
  load: () => import('./handler.ts'),
};
