import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { missingOption, replaceImageOption, waitForSourceOption } from '../../args/list-options.ts';

export const copyCommand: CommandDeclaration = {
  name: 'copy',
  usage: 'SRC DST',
  positionals: { min: 2, max: 2 },
  summary: 'Copy a list or an image with all that it needs, byte for byte; prints its digest',
  uses: ['registry'],
  options: [
    {
      name: 'platform',
      type: 'string',
      repeat: true,
      value: 'P,P',
      describe: 'Take only the images of these platforms: a new list, with a new digest',
    },
    {
      name: 'attestations',
      type: 'string',
      choices: ['keep', 'drop'],
      value: 'WHAT',
      describe: 'keep attestations with their images, or drop them (default keep)',
    },
    missingOption,
    {
      name: 'referrers',
      type: 'boolean',
      describe: 'Bring along what refers to the list and its images: signatures, SBOMs, also those that cosign tags',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'P,P',
      describe: 'Refuse content that lacks one of these platforms; kept: those that the tag has now',
    },
    replaceImageOption,
    waitForSourceOption,
    { name: 'force', type: 'boolean', describe: 'Trust no shortcut: look at everything that is to be there' },
  ],
  examples: [
    ['mlist copy team/app:1.0 registry.example/team/app', 'To another registry, under the same tag'],
    ['mlist copy team/app:1.0 team/app:latest', 'A further tag'],
    ['mlist copy team/app:1.0 oci-archive:app.tar --platform linux/arm64', 'For docker load on an arm64 machine'],
  ],
  load: () => import('./handler.ts'),
};
