import type { Problem } from '../../errors/errors.ts';
import { AnnotationKey } from '../../oci/descriptor.ts';
import { entryName } from '../../oci/entry-name.ts';
import type { Index } from '../../oci/manifest.ts';
import { MediaType } from '../../oci/media-type.ts';
import { pointerTo } from '../../json/pointer.ts';
import { error, warning } from '../problems.ts';

/** This file contains the rules about annotations (image-spec v1.1.1 annotations.md). */

const PREFIX = 'org.opencontainers.';

/** The keys with the reserved prefix `org.opencontainers.` that image-spec defines. */
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
  const message = (owner: string) => `${owner} has annotations, which a Docker list cannot store: use the format oci`;
  if ('annotations' in list) yield error('W-ANNOT', '/annotations', message('the list'));
  for (const [at, entry] of list.manifests.entries()) {
    if (entry.annotations === undefined) continue;
    yield error('W-ANNOT', pointerTo('manifests', at, 'annotations'), message(entryName(entry)));
  }
}

export function* reserved(
  list: Index,
  { isLayout = false }: { readonly isLayout?: boolean | undefined } = {},
): Iterable<Problem> {
  const owners = [
    { path: ['annotations'], annotations: 'annotations' in list ? list.annotations : undefined },
    ...list.manifests.map(({ annotations }, at) => ({ path: ['manifests', at, 'annotations'], annotations })),
  ];
  for (const { path, annotations } of owners) {
    for (const name of Object.keys(annotations ?? {})) {
      const pointer = pointerTo(...path, name);
      if (name === '') yield warning('W-ANNOT', pointer, 'the annotation key is empty');
      else if (name === AnnotationKey.refName) {
        if (!isLayout)
          yield warning('W-ANNOT', pointer, 'this annotation is only meaningful in the index.json of an OCI layout');
      } else if (name.startsWith(PREFIX) && !predefined.has(name)) {
        yield warning('W-ANNOT', pointer, `unknown annotation: keys that begin with ${PREFIX} are reserved`);
      }
    }
  }
}
