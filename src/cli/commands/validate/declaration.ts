import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const validateCommand: CommandDeclaration = {
  name: 'validate',
  usage: '[LIST|REF|FILE|-]',
  positionals: { min: 0, max: 1 },
  summary: 'Check a draft, a list in a registry or a file against its schema and the rules',
  uses: ['draft', 'registry'],
  options: [
    { name: 'strict', type: 'boolean', describe: 'Refuse what is only warned of' },
    { name: 'allow-duplicates', type: 'boolean', describe: 'Let two images have one platform' },
    {
      name: 'deep',
      type: 'boolean',
      describe: 'Look at every manifest, config and layer too: there, of the right size, for the platform that is said',
    },
    {
      name: 'repo',
      type: 'string',
      value: 'REPO',
      describe: 'With --deep: where the content of a file lies, a repository, a layout or an archive',
    },
  ],
  examples: [
    ['mlist validate ./index.json', 'A file begins with ./, ../, / or a drive letter'],
    ['mlist validate --deep --strict team/app:1.0', 'A gate for CI: ends with 3 where anything is wrong'],
  ],
  load: () => import('./handler.ts'),
};
