import type { CommandSpec, OptionSpec } from './language.ts';
import {
  dockerMetadataOption,
  format,
  pushingOptions,
  replaceImageOption,
  sourceOptions,
  strict,
  waitOption,
  withPushOptions,
} from './list-options.ts';

/** The commands that make, look at and push lists. */

const many = Number.POSITIVE_INFINITY;

const platform: OptionSpec = {
  name: 'platform',
  type: 'string',
  value: 'P',
  describe: 'Choose by platform, such as linux/arm64; never sets it',
};
const platforms: OptionSpec = {
  ...platform,
  repeat: true,
  value: 'P,P',
  describe: 'Take only the images of these platforms',
};
const indexAnnotation: OptionSpec = {
  name: 'index-annotation',
  type: 'string',
  repeat: true,
  value: 'K=V',
  describe: 'Annotate the list itself; K- removes',
};
const indexArtifactType: OptionSpec = {
  name: 'index-artifact-type',
  type: 'string',
  value: 'TYPE',
  describe: "Artifact type of the list itself; '' clears",
};

export const listCommands: readonly CommandSpec[] = [
  {
    name: 'create',
    usage: 'LIST [MANIFEST[=PLATFORM]...]',
    positionals: { min: 0, max: many },
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
          'Read sources from FILE, or - for stdin: one a line, or JSON: descriptors, an index, build metadata, or digests in the outputs of CI jobs',
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
        describe:
          'Take the images whose digests are the names or the contents of the files in DIR, in the order of --expect',
      },
      {
        name: 'repo',
        type: 'string',
        value: 'REPO',
        describe: 'Repository of digests that are given without one (default: the repository of LIST)',
      },
      { ...dockerMetadataOption, describe: `${dockerMetadataOption.describe}; without LIST the first tag is the list` },
    ],
    elsewhere: [
      ['append', 'Add images to a published list with "mlist add docker://LIST IMAGE --push".'],
      ['wait', 'Wait for images that were just pushed with --wait-for-source.'],
    ],
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
    load: () => import('./commands/create.ts'),
  },
  {
    name: 'add',
    usage: '[LIST] MANIFEST[=PLATFORM]...',
    positionals: { min: 1, max: many },
    summary: 'Add images to a draft; one for the same platform is replaced',
    uses: ['draft', 'registry'],
    options: [
      { name: 'keep', type: 'boolean', describe: 'Keep an image of the same platform beside the new one' },
      ...sourceOptions,
      ...pushingOptions,
    ],
    examples: [
      ['mlist add team/app:1.0-riscv64', 'Add to the current draft'],
      ['mlist add team/app:1.0 team/app:1.0-riscv64', 'Add to team/app:1.0'],
      ['mlist add team/app:1.0 team/app:1.0-riscv64 --push', 'Add to what the registry has, in one go'],
    ],
    load: () => import('./commands/add.ts'),
  },
  {
    name: 'remove',
    usage: '[LIST] MANIFEST|DIGEST...  or  [LIST] --platform P',
    positionals: { min: 0, max: many },
    summary: 'Take images out of a draft, and their attestations with them',
    uses: ['draft', 'registry'],
    options: [
      { ...platform, repeat: true, value: 'P,P', describe: 'Take out the images of these platforms' },
      ...pushingOptions,
    ],
    examples: [
      ['mlist remove sha256:0123abcd', 'The beginning of a digest is enough'],
      ['mlist remove team/app:1.0 --platform linux/arm/v6,linux/386', 'By platform'],
    ],
    load: () => import('./commands/remove.ts'),
  },
  {
    name: 'annotate',
    usage: '[LIST [MANIFEST]]',
    positionals: { min: 0, max: 2 },
    summary: 'Set what an image runs on, or annotations of an image or of the list',
    uses: ['draft', 'registry'],
    options: [
      { name: 'os', type: 'string', value: 'OS', describe: 'Operating system' },
      {
        name: 'arch',
        type: 'string',
        value: 'ARCH',
        describe: 'Architecture; x86_64, aarch64, armhf and the like are understood',
      },
      { name: 'variant', type: 'string', value: 'V', describe: "Variant, such as v8; '' clears" },
      { name: 'os-version', type: 'string', value: 'VERSION', describe: "Version of the operating system; '' clears" },
      { name: 'os-features', type: 'string', repeat: true, value: 'F,...', describe: "Add features; '' first clears" },
      platform,
      { name: 'annotation', type: 'string', repeat: true, value: 'K=V', describe: 'Annotate the entry; K- removes' },
      { name: 'artifact-type', type: 'string', value: 'TYPE', describe: "Artifact type of the entry; '' clears" },
      indexAnnotation,
      indexArtifactType,
      { name: 'subject', type: 'string', value: 'REF', describe: "What the list is about; '' clears" },
      strict,
      ...pushingOptions,
    ],
    examples: [
      ['mlist annotate --arch arm64 --variant v8', 'The arm64 image of the current draft'],
      ['mlist annotate team/app:1.0 team/app:1.0-x86 --os linux --arch x86_64', 'One image by name'],
      ["mlist annotate --platform linux/arm64 --variant ''", 'Clear the variant'],
    ],
    load: () => import('./commands/annotate.ts'),
  },
  {
    name: 'inspect',
    usage: '[LIST|REF [MANIFEST]]',
    positionals: { min: 0, max: 2 },
    summary: 'Print a list or an image as JSON, to the byte as it is or would be pushed',
    uses: ['draft', 'registry'],
    options: [
      {
        name: 'verbose',
        alias: 'v',
        type: 'boolean',
        describe: "Docker's verbose shape, with the manifests of the list",
      },
      { name: 'raw', type: 'boolean', describe: 'Exact bytes, without a line break at the end' },
      { ...platform, describe: 'Print the manifest for this platform' },
    ],
    examples: [
      ['mlist inspect', 'The current draft'],
      ['mlist inspect --raw team/app:1.0 | sha256sum', 'The digest, by other means'],
    ],
    load: () => import('./commands/inspect.ts'),
  },
  {
    name: 'show',
    usage: '[LIST|REF]',
    positionals: { min: 0, max: 1 },
    summary: 'Show a list to people: platforms, sizes, digests, attestations',
    uses: ['draft', 'registry'],
    options: [{ name: 'tree', type: 'boolean', describe: 'Show attestations and annotations too' }],
    examples: [['mlist show ubuntu:24.04', 'A list in a registry']],
    load: () => import('./commands/show.ts'),
  },
  {
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
    load: () => import('./commands/push.ts'),
  },
  {
    name: 'resolve',
    usage: 'LIST|REF',
    positionals: { min: 0, max: 1 },
    summary: 'Print the digest of the image that a client of a platform picks',
    uses: ['draft', 'registry'],
    options: [
      { ...platform, describe: 'The platform of the client (default: linux, and the architecture of this machine)' },
    ],
    examples: [['mlist resolve team/app:1.0 --platform linux/arm64', 'What an arm64 machine pulls']],
    load: () => import('./commands/resolve.ts'),
  },
  {
    name: 'digest',
    usage: '[LIST|REF]',
    positionals: { min: 0, max: 1 },
    summary: 'Print the digest of a list or an image',
    uses: ['draft', 'registry'],
    options: [waitOption],
    examples: [['mlist digest team/app:1.0', 'What would be pushed, or what is there']],
    load: () => import('./commands/digest.ts'),
  },
];
