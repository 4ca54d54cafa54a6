import type { OptionDeclaration } from './command-declaration.ts';

/** This file declares options that several commands share. It is loaded at every start, so it contains only data. */

/** Shared by commands that read indexes. */
export const missingOption: OptionDeclaration = {
  name: 'missing',
  type: 'string',
  choices: ['refuse', 'skip', 'fill'],
  value: 'MODE',
  describe:
    'If an index lists content that its source does not have: refuse the index, skip the content, or fill it in from another location (default refuse)',
};

export const fillFromOption: OptionDeclaration = {
  name: 'fill-from',
  type: 'string',
  repeat: true,
  value: 'LOCATION',
  describe:
    'With --missing fill: read missing content from this repository, layout or archive (default: the repositories that the source records as its origins)',
};

/** Shared by commands that read images that may have uncompressed layers. */
export const compressionOption: OptionDeclaration = {
  name: 'compression',
  type: 'string',
  choices: ['gzip', 'zstd', 'none'],
  value: 'FORMAT',
  describe: 'Compress uncompressed layers with gzip or zstd (default: none for docker-archive:, gzip for engines)',
};

/** Shared by commands that write archives. */
export const archiveCompressionOption: OptionDeclaration = {
  name: 'archive-compression',
  type: 'string',
  choices: ['gzip', 'zstd'],
  value: 'FORMAT',
  describe: 'Use gzip or zstd to compress an archive that is written to stdout (oci-archive:-)',
};

export const waitForSourceOption: OptionDeclaration = {
  name: 'wait-for-source',
  type: 'string',
  value: 'DURATION',
  describe: 'Wait up to DURATION, such as 30s, for sources that do not exist yet (default 0)',
};

/** Shared by commands that read images into a draft. */
export const sourceOptions: readonly OptionDeclaration[] = [
  {
    name: 'attestations',
    type: 'string',
    choices: ['keep', 'drop', 'referrers'],
    value: 'MODE',
    describe:
      'Keep or drop the attestations of an index; "referrers" keeps them, and adds attestations that are referrers of single images (default keep)',
  },
  missingOption,
  fillFromOption,
  {
    name: 'nested',
    type: 'string',
    choices: ['keep', 'flatten'],
    value: 'MODE',
    describe: 'Keep an index as one entry, or flatten it with all indexes inside it (default: expand one level)',
  },
  {
    name: 'pin',
    type: 'boolean',
    describe: 'Record the sources by digest, so that --amend reads the same content after their tags have moved',
  },
  waitForSourceOption,
  compressionOption,
];

export const formatOption: OptionDeclaration = {
  name: 'format',
  type: 'string',
  choices: ['auto', 'oci', 'docker'],
  value: 'FORMAT',
  describe: 'Set the format of the list: auto, oci (image index) or docker (manifest list)',
};
export const strictOption: OptionDeclaration = {
  name: 'strict',
  type: 'boolean',
  describe: 'Treat warnings about unknown platforms, and about variants that no client selects, as errors',
};

/** Shared by commands that move tags. */
export const replaceImageOption: OptionDeclaration = {
  name: 'replace-image',
  type: 'boolean',
  describe: 'Allow a tag to move from a single image to a list that has no image for its platform',
};

/** Shared by commands that have `--push`. These options are refused without `--push`. */
export const pushOptions: readonly OptionDeclaration[] = [
  {
    name: 'tag',
    alias: 't',
    type: 'string',
    repeat: true,
    value: ':TAG|REF',
    describe: 'With --push: also push to this tag of the repository, or to this reference',
  },
  {
    name: 'expect',
    type: 'string',
    repeat: true,
    value: 'PLATFORM[,PLATFORM]',
    describe:
      'With --push: refuse a list that lacks one of these platforms; "kept" stands for the platforms that the tag has now',
  },
  { ...replaceImageOption, describe: `With --push: ${replaceImageOption.describe.toLowerCase()}` },
  { name: 'dry-run', type: 'boolean', describe: 'With --push: print the plan and the digest without writing anything' },
  { name: 'allow-duplicates', type: 'boolean', describe: 'With --push: allow several images for the same platform' },
  { name: 'allow-empty', type: 'boolean', describe: 'With --push: allow a list without images' },
  {
    name: 'check-signatures',
    type: 'boolean',
    describe: 'With --push: warn if the replaced list is signed',
  },
];

/** Shared by commands that edit a draft. */
export const editOptions: readonly OptionDeclaration[] = [
  {
    name: 'push',
    type: 'boolean',
    describe: 'Push the edited list immediately; a list without a draft is edited in its registry',
  },
  ...pushOptions,
];

/** Shared by commands that look up one list or image. */
export const waitOption: OptionDeclaration = {
  name: 'wait',
  type: 'string',
  value: 'DURATION',
  describe: 'Wait up to DURATION, such as 30s, for the manifest to appear in the registry (default 0)',
};

export const dockerMetadataOption: OptionDeclaration = {
  name: 'docker-metadata',
  type: 'string',
  value: 'env|FILE',
  describe:
    'Read the tags, labels and annotations that docker/metadata-action generated, from env (DOCKER_METADATA_OUTPUT_JSON), FILE, or - for stdin',
};

export const indexAnnotationOption: OptionDeclaration = {
  name: 'index-annotation',
  type: 'string',
  repeat: true,
  value: 'KEY=VALUE',
  describe: 'Set an annotation of the list itself; KEY- removes it',
};

export const indexArtifactTypeOption: OptionDeclaration = {
  name: 'index-artifact-type',
  type: 'string',
  value: 'TYPE',
  describe: "Set the artifact type of the list itself; '' removes it",
};

export const platformOption: OptionDeclaration = {
  name: 'platform',
  type: 'string',
  value: 'PLATFORM',
  describe: 'Select the entry by its platform, such as linux/arm64',
};

/** Shared by commands that read specs. */
export const specOptions: readonly OptionDeclaration[] = [
  {
    name: 'set',
    type: 'string',
    repeat: true,
    value: 'NAME=VALUE',
    describe: 'Replace ${NAME} in the strings of the specs with VALUE; a placeholder without a value is then an error',
  },
  {
    name: 'env',
    type: 'string',
    repeat: true,
    value: 'NAME',
    describe: 'Like --set, with the value of the environment variable NAME; messages do not contain the value',
  },
];
