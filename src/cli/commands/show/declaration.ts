import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { outputFormatOption } from '../../args/output-format.ts';

export const showCommand: CommandDeclaration = {
  name: 'show',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Show a summary of a list: platforms, sizes, digests and attestations',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'tree',
      type: 'boolean',
      describe: 'Show a tree: nested lists, layers, annotations, and attestations with their predicate types',
    },
    {
      name: 'referrers',
      type: 'boolean',
      describe: 'Show a tree that includes the referrers of the list and its images',
    },
    {
      name: 'sizes',
      type: 'boolean',
      describe:
        'Read the manifests of all images to show their compressed sizes; otherwise, only cached and local manifests are read',
    },
    { name: 'digests', type: 'boolean', describe: 'Show full digests' },
    {
      name: 'html',
      type: 'string',
      value: 'FILE',
      describe: 'Write an HTML page with the tree and the selections of all clients to FILE, and print nothing',
    },
    outputFormatOption,
  ],
  examples: [
    ['mlist show ubuntu:24.04 --sizes', 'Show a list in a registry, with the sizes of its images'],
    ['mlist show team/app:1.0 --tree', 'Show the layers and attestations of each image'],
    ['mlist show team/app:1.0 --html app.html', 'Write an HTML page that needs no other files'],
  ],
  load: () => import('./handler.ts'),
};
