import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { specOptions } from '../../args/list-options.ts';

export const validateCommand: CommandDeclaration = {
  name: 'validate',
  usage: '[LIST|REF|FILE|-]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image', 'file']] },
  summary: 'Validate a draft, a list or a file against its schema and the rules',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'file',
      alias: 'f',
      type: 'string',
      repeat: true,
      value: 'SPEC',
      describe: 'Check the specs of "mlist apply" in the file SPEC, or - for stdin, without sending requests',
    },
    ...specOptions,
    { name: 'strict', type: 'boolean', describe: 'Treat warnings as errors' },
    { name: 'allow-duplicates', type: 'boolean', describe: 'Allow several images for the same platform' },
    {
      name: 'deep',
      type: 'boolean',
      describe: 'Also check every manifest, config and layer: existence, size and platform',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Refuse a list that lacks one of these platforms, and warn about other platforms',
    },
    {
      name: 'require-attestation',
      type: 'string',
      repeat: true,
      value: 'KIND[,KIND]',
      describe:
        'Refuse a list if an image lacks an attestation of this kind: provenance, sbom or a predicate type (signatures are not verified)',
    },
    {
      name: 'repo',
      type: 'string',
      value: 'REPO',
      describe: 'Look up the content that FILE refers to in REPO: a repository, a layout or an archive',
    },
  ],
  examples: [
    ['mlist validate ./index.json', 'Validate a file; its path must begin with ./, ../, / or a drive letter'],
    ['mlist validate team/app:1.0 --expect linux/amd64,linux/arm64', 'Refuse a list that lacks one of two platforms'],
    [
      'mlist validate docker://team/app:1.0 --require-attestation provenance,sbom',
      'Refuse a list if an image lacks one of these attestations',
    ],
    ['mlist validate --deep --strict team/app:1.0', 'Fail a CI job with exit code 3 if there is any problem'],
    ['mlist validate -f lists.yaml --set VERSION=1.2.3', 'Check the specs of "mlist apply" before they are applied'],
  ],
  load: () => import('./handler.ts'),
};
