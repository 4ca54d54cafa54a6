import type { CommandDeclaration, OptionDeclaration } from '../../args/command-declaration.ts';
import {
  formatOption,
  sourceOptions,
  indexAnnotationOption,
  indexArtifactTypeOption,
  strictOption,
  pushOptions,
  dockerMetadataOption,
  platformOption,
} from '../../args/list-options.ts';

const platforms: OptionDeclaration = {
  ...platformOption,
  repeat: true,
  value: 'PLATFORM[,PLATFORM]',
  describe: 'Include only the images for these platforms',
};

export const createCommand: CommandDeclaration = {
  name: 'create',
  usage: 'LIST [MANIFEST[=PLATFORM]...]',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY, kinds: [['draft'], ['image=platform']] },
  summary: 'Create a draft of a list, and make it the current draft',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'amend',
      alias: 'a',
      type: 'boolean',
      describe: 'Update an existing draft from the given sources; without sources, read all its sources again',
    },
    {
      name: 'replace',
      type: 'boolean',
      describe: 'Replace the images of an existing draft, and keep what annotate has set',
    },
    formatOption,
    platforms,
    ...sourceOptions,
    indexAnnotationOption,
    indexArtifactTypeOption,
    strictOption,
    {
      name: 'push',
      type: 'boolean',
      describe: 'Push the list immediately, and print its digest; the draft is kept',
    },
    {
      name: 'no-draft',
      type: 'boolean',
      describe: 'With --push: create no draft, and ignore an existing draft of this name',
    },
    ...pushOptions,
    {
      name: 'file',
      alias: 'f',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe:
        'Read sources from FILE, or - for stdin: one per line, or JSON (descriptors, an index, build metadata, or CI job outputs with digests)',
    },
    {
      name: 'metadata-file',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe: 'Read the pushed images from a metadata file of docker buildx; FILE is never written, even with --push',
    },
    {
      name: 'digests-dir',
      type: 'string',
      value: 'DIR',
      describe:
        'Add one image for each file in DIR; its digest is the name or the content of the file; --expect sets the order',
    },
    {
      name: 'repo',
      type: 'string',
      value: 'REPO',
      describe: 'Use REPO for digests that are given without a repository (default: the repository of LIST)',
    },
    { ...dockerMetadataOption, describe: `${dockerMetadataOption.describe}; the first tag is the default for LIST` },
  ],
  foreignOptions: [
    ['append', 'Add images to a published list with "mlist add docker://LIST IMAGE --push".'],
    [
      'annotation',
      'Use --index-annotation for the list, or "mlist annotate LIST IMAGE --annotation KEY=VALUE" for an image.',
    ],
  ],
  examples: [
    [
      'mlist create username/test username/x8664-test username/arm64v8-test',
      'Create a draft of username/test:latest with two images',
    ],
    ['mlist create team/app:1.0 team/app:1.0-amd64 team/app:1.0-arm=linux/arm/v7', 'Set the platform of an image'],
    ['mlist create --amend team/app:1.0', 'Read all sources of a draft again'],
    ['mlist create team/app:1.0 team/app:1.0-amd64 team/app:1.0-arm64 --push', 'Create and push a list'],
    [
      'mlist create team/app:1.0 --digests-dir ./digests --push --no-draft',
      'Merge the images that the jobs of a matrix have pushed',
    ],
  ],
  load: () => import('./handler.ts'),
};
