import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { replaceImageOption, format, dockerMetadataOption, strict } from '../../args/list-options.ts';

export const pushCommand: CommandDeclaration = {
  name: 'push',
  usage: '[LIST]',
  positionals: { min: 0, max: 1 },
  summary: 'Push a list and what it needs, its tag last; prints its digest',
  uses: ['draft', 'registry'],
  options: [
    { name: 'purge', alias: 'p', type: 'boolean', describe: 'Remove the draft when all is done' },
    {
      name: 'tag',
      alias: 't',
      type: 'string',
      repeat: true,
      value: ':TAG|REF',
      describe: 'A further name: a tag of each repository that it goes to, or a reference',
    },
    {
      name: 'to',
      type: 'string',
      repeat: true,
      value: 'LOCATION',
      describe: 'Push there instead, to the tag latest where none is named',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'P,P',
      describe: 'Refuse a list that lacks one of these platforms; kept: those that the tag has now',
    },
    replaceImageOption,
    {
      name: 'if-digest',
      type: 'string',
      value: 'D',
      describe:
        'Refuse if the tag has another digest than this; absent: if there is such a tag. One that has this very list already is fine',
    },
    { name: 'dry-run', type: 'boolean', describe: 'Tell the plan and the digest, write nothing' },
    format,
    { name: 'digest-file', type: 'string', value: 'F', describe: 'Write the digest to F, once the list is pushed' },
    { name: 'metadata-file', type: 'string', value: 'F', describe: 'Write what was pushed to F as JSON' },
    { name: 'allow-duplicates', type: 'boolean', describe: 'Let two images have one platform' },
    { name: 'check-signatures', type: 'boolean', describe: 'Warn where the list that is replaced is signed' },
    { ...dockerMetadataOption, describe: `Push under the tags of docker/metadata-action too: env, FILE or -` },
    { name: 'allow-empty', type: 'boolean', describe: 'Push a list without images' },
    { name: 'force', type: 'boolean', describe: 'Trust no shortcut: look at every child, put the list in any case' },
    strict,
  ],
  examples: [
    ['mlist push', 'The current draft'],
    ['mlist push team/app:1.0 -t :latest --expect linux/amd64,linux/arm64', 'Two tags, two platforms at least'],
    ['mlist push --expect kept', 'Refuse to lose a platform that the tag has now'],
    ['mlist push --dry-run', 'What would be done'],
  ],
  load: () => import('./handler.ts'),
};
