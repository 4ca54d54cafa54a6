import type { CommandDeclaration } from '../../args/command-declaration.ts';
import {
  archiveCompressionOption,
  compressionOption,
  replaceImageOption,
  formatOption,
  dockerMetadataOption,
  strictOption,
} from '../../args/list-options.ts';

export const pushCommand: CommandDeclaration = {
  name: 'push',
  usage: '[LIST]',
  positionals: { min: 0, max: 1, kinds: [['draft']] },
  summary: 'Push a list with its content, tags last, and print its digest',
  uses: ['draft', 'registry'],
  options: [
    { name: 'purge', alias: 'p', type: 'boolean', describe: 'Remove the draft after the push' },
    {
      name: 'tag',
      alias: 't',
      type: 'string',
      repeat: true,
      value: ':TAG|REF',
      describe: 'Also push to this tag of each target repository, or to this reference',
    },
    {
      name: 'to',
      type: 'string',
      repeat: true,
      value: 'LOCATION',
      describe: 'Push to LOCATION instead of the reference of the list (default tag: latest)',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Refuse a list that lacks one of these platforms; "kept" stands for the platforms that the tag has now',
    },
    replaceImageOption,
    {
      name: 'if-digest',
      type: 'string',
      value: 'DIGEST',
      describe:
        'Push only if the tag refers to DIGEST or, with "absent", does not exist; a tag that already refers to the list is accepted',
    },
    {
      name: 'all-or-nothing',
      type: 'boolean',
      describe: 'Move no tag before all targets have the content',
    },
    { name: 'dry-run', type: 'boolean', describe: 'Print the plan and the digest without writing anything' },
    {
      ...formatOption,
      choices: [...(formatOption.choices ?? []), 'markdown'],
      describe: `${formatOption.describe}; markdown prints the result as Markdown`,
    },
    compressionOption,
    archiveCompressionOption,
    { name: 'digest-file', type: 'string', value: 'FILE', describe: 'Write the digest to FILE after the push' },
    {
      name: 'metadata-file',
      type: 'string',
      value: 'FILE',
      describe: 'Write the digest, descriptor and references to FILE, as JSON in the format of docker buildx',
    },
    { name: 'allow-duplicates', type: 'boolean', describe: 'Allow several images for the same platform' },
    { name: 'check-signatures', type: 'boolean', describe: 'Warn if the replaced list is signed' },
    {
      ...dockerMetadataOption,
      describe:
        'Also push to the tags that docker/metadata-action generated, from env (DOCKER_METADATA_OUTPUT_JSON), FILE, or - for stdin',
    },
    { name: 'allow-empty', type: 'boolean', describe: 'Allow a list without images' },
    {
      name: 'force',
      type: 'boolean',
      describe: 'Check every child manifest, and push the list even if the tag already refers to it',
    },
    strictOption,
  ],
  foreignOptions: [['all-tags', 'Use -t :TAG for each further tag.']],
  examples: [
    ['mlist push', 'Push the current draft'],
    ['mlist push team/app:1.0 -t :latest --expect linux/amd64,linux/arm64', 'Push two tags, and require two platforms'],
    ['mlist push --expect kept', 'Refuse to remove a platform that the tag has now'],
    [
      'mlist push --to registry.example/team/app:1.0 --to mirror.example/team/app:1.0 --all-or-nothing',
      'Push to two registries, and move no tag unless both have the content',
    ],
    ['mlist push --dry-run', 'Print what would be pushed'],
  ],
  load: () => import('./handler.ts'),
};
