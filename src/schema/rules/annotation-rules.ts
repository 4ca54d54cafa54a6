import type { Problem } from '../../errors/errors.ts';
import { AnnotationKey } from '../../oci/descriptor.ts';
import { entryName } from '../../oci/entry-name.ts';
import type { Index } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { pointerTo } from '../../json/pointer.ts';
import { error, warning } from '../problems.ts';

/** The rules about annotations (image-spec v1.1.1 annotations.md). */

const PREFIX = 'org.opencontainers.';

/** The names below the reserved prefix that the spec gives out. */
const predefined = new Set(
  (
    'created authors url documentation source version revision vendor licenses ref.name title description ' +
    'base.digest base.name'
  )
    .split(' ')
    .map((name) => `${PREFIX}image.${name}`),
);

export const annotationRules = [onDockerList, reserved] as const;

function* onDockerList(list: Index): Iterable<Problem> {
  if (list.mediaType !== MediaType.dockerList) return;
  const of = (whose: string) => `a Docker manifest list has no annotations, and ${whose} has: use the format oci`;
  if ('annotations' in list) yield error('W-ANNOT', '/annotations', of('this one'));
  for (const [at, entry] of list.manifests.entries()) {
    if (entry.annotations === undefined) continue;
    yield error('W-ANNOT', pointerTo('manifests', at, 'annotations'), of(entryName(entry)));
  }
}

export function* reserved(
  list: Index,
  { isLayout = false }: { readonly isLayout?: boolean | undefined } = {},
): Iterable<Problem> {
  const places = [
    { at: ['annotations'], annotations: 'annotations' in list ? list.annotations : undefined },
    ...list.manifests.map(({ annotations }, at) => ({ at: ['manifests', at, 'annotations'], annotations })),
  ];
  for (const { at, annotations } of places) {
    for (const name of Object.keys(annotations ?? {})) {
      const pointer = pointerTo(...at, name);
      if (name === '') yield warning('W-ANNOT', pointer, 'an annotation without a name');
      else if (name === AnnotationKey.refName) {
        if (!isLayout) yield warning('W-ANNOT', pointer, 'has a meaning in the index.json of a layout only');
      } else if (name.startsWith(PREFIX) && !predefined.has(name)) {
        yield warning('W-ANNOT', pointer, `names below ${PREFIX} are reserved, and this one is not given out`);
      }
    }
  }
}
