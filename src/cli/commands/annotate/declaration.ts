import type { CommandDeclaration } from '../../args/command-declaration.ts';
import {
  platformOption,
  indexAnnotationOption,
  indexArtifactTypeOption,
  strictOption,
  editOptions,
} from '../../args/list-options.ts';

export const annotateCommand: CommandDeclaration = {
  name: 'annotate',
  usage: '[LIST [MANIFEST]]',
  positionals: { min: 0, max: 2, kinds: [['draft', 'entry'], ['entry']] },
  summary: 'Set the platform or annotations of an image, or annotations of the list',
  uses: ['draft', 'registry'],
  options: [
    { name: 'os', type: 'string', value: 'OS', describe: 'Set the operating system' },
    {
      name: 'arch',
      type: 'string',
      value: 'ARCH',
      describe: 'Set the architecture; aliases such as x86_64, aarch64 and armhf are accepted',
    },
    { name: 'variant', type: 'string', value: 'VARIANT', describe: "Set the variant, such as v8; '' removes it" },
    {
      name: 'os-version',
      type: 'string',
      value: 'VERSION',
      describe: "Set the version of the operating system; '' removes it",
    },
    {
      name: 'os-features',
      type: 'string',
      repeat: true,
      value: 'FEATURE[,FEATURE]',
      describe: "Add features of the operating system; '' removes the existing ones",
    },
    {
      ...platformOption,
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Select the images for these platforms, such as linux/arm64',
    },
    { name: 'all', type: 'boolean', describe: 'Select every image; attestations are not changed' },
    {
      name: 'annotation',
      type: 'string',
      repeat: true,
      value: 'KEY=VALUE',
      describe: 'Set an annotation of the entry; KEY- removes it',
    },
    {
      name: 'artifact-type',
      type: 'string',
      value: 'TYPE',
      describe: "Set the artifact type of the entry; '' removes it",
    },
    indexAnnotationOption,
    indexArtifactTypeOption,
    { name: 'subject', type: 'string', value: 'REF', describe: "Set the subject of the list; '' removes it" },
    strictOption,
    ...editOptions,
  ],
  foreignOptions: [['architecture', 'Use --arch.']],
  examples: [
    ['mlist annotate --arch arm64 --variant v8', 'Set the variant of the arm64 image in the current draft'],
    ['mlist annotate team/app:1.0 team/app:1.0-x86 --os linux --arch x86_64', 'Set the platform of an image'],
    ["mlist annotate --platform linux/arm64 --variant ''", 'Remove the variant of the arm64 image'],
    ['mlist annotate --all --annotation org.opencontainers.image.vendor=Example', 'Annotate every image'],
  ],
  load: () => import('./handler.ts'),
};
