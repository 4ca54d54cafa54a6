import type { CommandDeclaration } from '../../args/command-declaration.ts';
import {
  archiveCompressionOption,
  compressionOption,
  fillFromOption,
  missingOption,
  replaceImageOption,
  waitForSourceOption,
} from '../../args/list-options.ts';

export const copyCommand: CommandDeclaration = {
  name: 'copy',
  usage: 'SRC DST',
  positionals: { min: 2, max: 2, kinds: [['image'], ['image']] },
  summary: 'Copy a list or an image with its content, and print its digest',
  uses: ['registry'],
  options: [
    {
      name: 'platform',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Copy only the images for these platforms, as a new list with a new digest',
    },
    {
      name: 'attestations',
      type: 'string',
      choices: ['keep', 'drop'],
      value: 'MODE',
      describe: 'Keep or drop the attestations of the images (default keep)',
    },
    missingOption,
    fillFromOption,
    {
      name: 'referrers',
      type: 'boolean',
      describe: 'Also copy referrers of the list and its images, such as signatures and SBOMs, and the tags of cosign',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Refuse content that lacks one of these platforms (kept: those that the tag has now)',
    },
    replaceImageOption,
    {
      name: 'tag',
      alias: 't',
      type: 'string',
      repeat: true,
      value: ':TAG',
      describe: 'Also write this tag at the target; all tags move after the content',
    },
    {
      name: 'if-digest',
      type: 'string',
      value: 'DIGEST',
      describe: 'Copy only if the tag has DIGEST (absent: does not exist) or already has the content',
    },
    { name: 'dry-run', type: 'boolean', describe: 'Print the plan and the digest without writing anything' },
    waitForSourceOption,
    compressionOption,
    archiveCompressionOption,
    {
      name: 'force',
      type: 'boolean',
      describe: 'Check all content of the target, even if its tag already has the digest',
    },
  ],
  foreignOptions: [
    ['all', 'All platforms of a list are copied unless --platform selects some.'],
    ['multi-arch', 'All platforms of a list are copied unless --platform selects some.'],
    ['recursive', 'Use --referrers to copy signatures and attestations, too.'],
    ['preserve-digests', 'Digests never change unless --platform or --attestations drop selects content.'],
  ],
  examples: [
    ['mlist copy team/app:1.0 registry.example/team/app', 'Copy to another registry, under the same tag'],
    ['mlist copy team/app:1.0 team/app:latest', 'Add a tag'],
    ['mlist copy team/app:1.0-rc2 registry.example/team/app:1.0 -t :1 -t :latest', 'Copy to three tags'],
    ['mlist copy team/app:1.0 registry.example/team/app --dry-run', 'Print what would be copied'],
    ['mlist copy team/app:1.0 oci-archive:app.tar --platform linux/arm64', 'Export the arm64 image for docker load'],
    [
      'mlist copy team/app:1.0 docker-daemon:team/app:1.0',
      'Load a list into a Docker engine with the containerd store',
    ],
    ['mlist copy team/app:1.0 oci-archive:- | docker load', 'Load an image into an engine'],
    [
      'docker save team/app:1.0 | mlist copy docker-archive:- registry.example/team/app:1.0 --compression gzip',
      'Push an image from a Docker engine to a registry',
    ],
  ],
  load: () => import('./handler.ts'),
};
