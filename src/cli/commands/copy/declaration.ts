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
      describe: 'Also copy referrers of the list and its images, such as signatures and SBOMs, and cosign tags',
    },
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe:
        'Refuse content that lacks one of these platforms; "kept" stands for the platforms that the tag has now',
    },
    replaceImageOption,
    {
      name: 'tag',
      alias: 't',
      type: 'string',
      repeat: true,
      value: ':TAG',
      describe: 'Also write this tag at the target; all tags are written after the content',
    },
    {
      name: 'if-digest',
      type: 'string',
      value: 'DIGEST',
      describe:
        'Copy only if the tag refers to DIGEST or, with "absent", does not exist; a tag that already refers to the content is accepted',
    },
    { name: 'dry-run', type: 'boolean', describe: 'Print the plan and the digest without writing anything' },
    waitForSourceOption,
    compressionOption,
    archiveCompressionOption,
    {
      name: 'force',
      type: 'boolean',
      describe: 'Check all content at the target, even if the tag already refers to it',
    },
  ],
  foreignOptions: [
    ['all', 'All platforms of a list are copied unless --platform selects some.'],
    ['multi-arch', 'All platforms of a list are copied unless --platform selects some.'],
    ['recursive', 'Use --referrers to also copy signatures and other referrers.'],
    [
      'preserve-digests',
      'Digests are preserved unless --platform, --attestations drop or --missing skip leaves out content.',
    ],
  ],
  examples: [
    ['mlist copy team/app:1.0 registry.example/team/app', 'Copy to another registry, under the same tag'],
    ['mlist copy team/app:1.0 team/app:latest', 'Add a tag'],
    ['mlist copy team/app:1.0-rc2 registry.example/team/app:1.0 -t :1 -t :latest', 'Copy to three tags'],
    ['mlist copy team/app:1.0 registry.example/team/app --dry-run', 'Print what would be copied'],
    ['mlist copy team/app:1.0 oci-archive:app.tar --platform linux/arm64', 'Export the arm64 image for docker load'],
    [
      'mlist copy team/app:1.0 docker-daemon:team/app:1.0',
      'Load a list into a Docker engine with the containerd image store',
    ],
    ['mlist copy team/app:1.0 oci-archive:- | docker load', 'Load an image into an engine'],
    [
      'docker save team/app:1.0 | mlist copy docker-archive:- registry.example/team/app:1.0 --compression gzip',
      'Push an image from a Docker engine to a registry',
    ],
  ],
  load: () => import('./handler.ts'),
};
