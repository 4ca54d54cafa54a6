import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platform, indexAnnotation, indexArtifactType, strict, pushingOptions } from '../../args/list-options.ts';

export const annotateCommand: CommandDeclaration = {
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
  load: () => import('./handler.ts'),
};
