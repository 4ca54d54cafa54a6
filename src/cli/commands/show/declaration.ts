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
      describe: 'Show a tree that also has the referrers of the list and its images',
    },
    {
      name: 'sizes',
      type: 'boolean',
      describe:
        'Read the manifests of all images, for their compressed sizes (default: only of those that are cached or local)',
    },
    { name: 'digests', type: 'boolean', describe: 'Show full digests' },
    {
      name: 'html',
      type: 'string',
      value: 'FILE',
      describe: 'Write a page for browsers to FILE instead, with the tree, and what each client selects',
    },
    outputFormatOption,
  ],
  examples: [
    ['mlist show ubuntu:24.04 --sizes', 'Show a list in a registry, with the sizes of its images'],
    ['mlist show team/app:1.0 --tree', 'Also show what is in each image'],
    ['mlist show team/app:1.0 --html app.html', 'Write a page that needs no other files'],
  ],
  load: () => import('./handler.ts'),
};
