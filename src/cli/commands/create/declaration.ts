import type { CommandDeclaration, OptionDeclaration } from '../../args/command-declaration.ts';
import {
  format,
  sourceOptions,
  indexAnnotation,
  indexArtifactType,
  strict,
  withPushOptions,
  dockerMetadataOption,
  platform,
} from '../../args/list-options.ts';

const platforms: OptionDeclaration = {
  ...platform,
  repeat: true,
  value: 'P,P',
  describe: 'Take only the images of these platforms',
};

export const createCommand: CommandDeclaration = {
  name: 'create',
  usage: 'LIST [MANIFEST[=PLATFORM]...]',
  positionals: { min: 0, max: Number.POSITIVE_INFINITY },
  summary: 'Draft a list of images, all or nothing; it becomes the current draft',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'amend',
      alias: 'a',
      type: 'boolean',
      describe: 'Bring an existing draft up to date: the named sources, or all',
    },
    {
      name: 'replace',
      type: 'boolean',
      describe: 'Make an existing draft exactly these images; what was set on them by hand stays',
    },
    format,
    platforms,
    ...sourceOptions,
    indexAnnotation,
    indexArtifactType,
    strict,
    {
      name: 'push',
      type: 'boolean',
      describe: 'Push the list at once, and print its digest; the draft stays',
    },
    ...withPushOptions,
    {
      name: 'file',
      alias: 'f',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe:
        'Read sources from FILE, or - for stdin: one per line, or JSON (descriptors, an index, build metadata, or outputs of CI jobs with digests)',
    },
    {
      name: 'metadata-file',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe: 'Take what a build has pushed, by the metadata file of docker buildx; it is read, also with --push',
    },
    {
      name: 'digests-dir',
      type: 'string',
      value: 'DIR',
      describe: 'Add an image for each file in DIR, whose name or content is the digest; in the order of --expect',
    },
    {
      name: 'repo',
      type: 'string',
      value: 'REPO',
      describe: 'Repository of digests that are given without one (default: the repository of LIST)',
    },
    { ...dockerMetadataOption, describe: `${dockerMetadataOption.describe}; without LIST the first tag is the list` },
  ],
  foreignOptions: [['append', 'Add images to a published list with "mlist add docker://LIST IMAGE --push".']],
  examples: [
    [
      'mlist create username/test username/x8664-test username/arm64v8-test',
      'Draft username/test:latest of two images',
    ],
    ['mlist create team/app:1.0 team/app:1.0-amd64 team/app:1.0-arm=linux/arm/v7', 'Say what an image runs on'],
    ['mlist create --amend team/app:1.0', 'Read all sources again'],
    ['mlist create team/app:1.0 team/app:1.0-amd64 team/app:1.0-arm64 --push', 'Draft and push in one go'],
    [
      'mlist create team/app:1.0 --digests-dir ./digests --replace --push',
      'Merge what the jobs of a matrix have built',
    ],
  ],
  load: () => import('./handler.ts'),
};
