import { MAX_PROBLEMS, type Problem } from '../errors/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { pointerTo } from '../json/pointer.ts';

/**
 * The known member names of an object that Go programs read. Go's encoding/json reads `MANIFESTS` as `manifests`, but
 * JavaScript does not. Names that differ from a known name only in case are therefore errors.
 */
interface Shape {
  readonly names: readonly string[];
  readonly inside?: Readonly<Record<string, Shape>>;
}

const platform: Shape = { names: ['architecture', 'os', 'os.version', 'os.features', 'variant', 'features'] };

const descriptor: Shape = {
  names: ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'],
  inside: { platform },
};

/** The members of indexes and of image manifests, because a registry may read the document as either. */
const manifest: Shape = {
  names: [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'manifests',
    'config',
    'layers',
    'fsLayers',
    'subject',
    'annotations',
  ],
  inside: { manifests: descriptor, config: descriptor, layers: descriptor, subject: descriptor },
};

const link: Shape = { names: ['mediaType', 'digest', 'size', 'urls'] };

/** The members of indexes and image manifests that a copy needs. */
const links: Shape = {
  names: ['schemaVersion', 'mediaType', 'manifests', 'config', 'layers', 'fsLayers', 'subject'],
  inside: { manifests: link, config: link, layers: link, subject: link },
};

const config: Shape = { names: ['architecture', 'os', 'variant', 'os.version', 'os.features', 'rootfs', 'history'] };

export const shapes = { descriptor, manifest, links, config } as const;

/** Reports members whose names differ from known ones only in case. */
export function checkNames(document: Json, shape: Shape): readonly Problem[] {
  const problems: Problem[] = [];
  collect(document, shape, [], problems);
  return problems;
}

function collect(value: Json | undefined, shape: Shape, path: readonly (string | number)[], problems: Problem[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  if (Array.isArray(value)) {
    for (const [at, item] of (value as readonly Json[]).entries()) collect(item, shape, [...path, at], problems);
  } else if (isJsonObject(value)) {
    problems.push(...wrongCase(value, shape, path));
    for (const [name, inner] of Object.entries(shape.inside ?? {}))
      collect(value[name], inner, [...path, name], problems);
  }
}

function wrongCase(object: JsonObject, shape: Shape, path: readonly (string | number)[]): readonly Problem[] {
  const names = Object.keys(object).filter((name) => !shape.names.includes(name) && shape.names.some(sameFolded(name)));
  return names.slice(0, MAX_PROBLEMS).map((name) => ({
    rule: 'E-JSON',
    severity: 'error',
    pointer: pointerTo(...path, name),
    message: `differs from "${shape.names.find(sameFolded(name)) ?? ''}" only in case: other programs read it as that member`,
  }));
}

function sameFolded(name: string): (known: string) => boolean {
  const folded = fold(name);
  return (known) => fold(known) === folded;
}

/**
 * Converts a name to lower case as Go does: U+017F becomes s and U+212A becomes k. Of these two, toLowerCase converts
 * only U+212A.
 */
function fold(name: string): string {
  return name.replaceAll('\u017f', 's').toLowerCase();
}
