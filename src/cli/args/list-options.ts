import type { OptionDeclaration } from './command-declaration.ts';

/** Options that several commands on lists share: data only, since every command line is read with them. */

/** An option of every command that reads indexes. */
export const missingOption: OptionDeclaration = {
  name: 'missing',
  type: 'string',
  choices: ['refuse', 'skip'],
  value: 'WHAT',
  describe: 'refuse or skip images that an index lists but its location does not have (default refuse)',
};

export const waitForSourceOption: OptionDeclaration = {
  name: 'wait-for-source',
  type: 'string',
  value: 'TIME',
  describe: 'Wait up to TIME, such as 30s, for sources that their registry does not have yet (default 0)',
};

/** How images come into a list: options of every command that reads them into a draft. */
export const sourceOptions: readonly OptionDeclaration[] = [
  {
    name: 'attestations',
    type: 'string',
    choices: ['keep', 'drop', 'referrers'],
    value: 'WHAT',
    describe: 'keep or drop the attestations of an index; referrers: look for those of bare images too (default keep)',
  },
  missingOption,
  {
    name: 'nested',
    type: 'string',
    choices: ['keep', 'flatten'],
    value: 'WHAT',
    describe: 'keep: list an index as an entry; flatten: take indexes inside it apart too (default: take it apart)',
  },
  {
    name: 'pin',
    type: 'boolean',
    describe: 'Remember the sources by digest: however their tags move, --amend reads the same again',
  },
  waitForSourceOption,
];

export const format: OptionDeclaration = {
  name: 'format',
  type: 'string',
  choices: ['auto', 'oci', 'docker'],
  value: 'FORMAT',
  describe: 'auto, oci (image index) or docker (manifest list)',
};
export const strict: OptionDeclaration = {
  name: 'strict',
  type: 'boolean',
  describe: 'Refuse unknown platforms, and variants that no client selects, instead of warning',
};

/** Of commands that move tags. */
export const replaceImageOption: OptionDeclaration = {
  name: 'replace-image',
  type: 'boolean',
  describe: 'Let a list replace a single image whose platform it lacks',
};

/** Of commands that push what they have made of a draft, with `--push`. */
export const withPushOptions: readonly OptionDeclaration[] = [
  {
    name: 'tag',
    alias: 't',
    type: 'string',
    repeat: true,
    value: ':TAG|REF',
    describe: 'With --push: a further name, a tag of the same repository or a reference',
  },
  {
    name: 'expect',
    type: 'string',
    repeat: true,
    value: 'P,P',
    describe: 'With --push: refuse a list that lacks one of these platforms; kept: those that the tag has now',
  },
  { ...replaceImageOption, describe: `With --push: ${replaceImageOption.describe.toLowerCase()}` },
  { name: 'dry-run', type: 'boolean', describe: 'With --push: tell the plan and the digest, write nothing' },
  { name: 'allow-duplicates', type: 'boolean', describe: 'With --push: let two images have one platform' },
  { name: 'allow-empty', type: 'boolean', describe: 'With --push: push a list without images' },
  {
    name: 'check-signatures',
    type: 'boolean',
    describe: 'With --push: warn where the list that is replaced is signed',
  },
];

/** Of commands that edit a draft. */
export const pushingOptions: readonly OptionDeclaration[] = [
  {
    name: 'push',
    type: 'boolean',
    describe:
      'Push what comes of it at once; a list that is no draft is read from its registry, and leaves none behind',
  },
  ...withPushOptions,
];

/** Of commands that look for one list or image. */
export const waitOption: OptionDeclaration = {
  name: 'wait',
  type: 'string',
  value: 'TIME',
  describe: 'Wait up to TIME, such as 30s, if the registry does not have it yet',
};

export const dockerMetadataOption: OptionDeclaration = {
  name: 'docker-metadata',
  type: 'string',
  value: 'env|FILE',
  describe:
    'Tags, labels and annotations of docker/metadata-action: of DOCKER_METADATA_OUTPUT_JSON, a FILE, or - for stdin',
};

export const indexAnnotation: OptionDeclaration = {
  name: 'index-annotation',
  type: 'string',
  repeat: true,
  value: 'K=V',
  describe: 'Annotate the list itself; K- removes',
};

export const indexArtifactType: OptionDeclaration = {
  name: 'index-artifact-type',
  type: 'string',
  value: 'TYPE',
  describe: "Artifact type of the list itself; '' clears",
};

export const platform: OptionDeclaration = {
  name: 'platform',
  type: 'string',
  value: 'P',
  describe: 'Choose by platform, such as linux/arm64; never sets it',
};
