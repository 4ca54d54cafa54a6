import { isJsonObject, jsonObject, memberNames, type Json, type JsonObject } from '../json/json.ts';
import { pointerTo } from '../json/pointer.ts';

/** Members that tools written in Go write as `null` if they are empty. */
interface Shape {
  /** Members for which `null` is read as an empty array. */
  readonly lists?: readonly string[];
  /** Members for which `null` is read as an absent member. */
  readonly optional: readonly string[];
  readonly inside?: Readonly<Record<string, Shape>>;
}

const platform: Shape = { optional: ['os.version', 'os.features', 'variant', 'features'] };

const descriptor: Shape = {
  optional: ['urls', 'annotations', 'data', 'platform', 'artifactType'],
  inside: { platform },
};

const manifest: Shape = {
  lists: ['manifests', 'layers'],
  optional: ['mediaType', 'artifactType', 'subject', 'annotations'],
  inside: { manifests: descriptor, config: descriptor, layers: descriptor, subject: descriptor },
};

export interface WithoutNulls {
  readonly document: JsonObject;
  /** JSON pointers of the members that were `null`. */
  readonly nulls: readonly string[];
}

/** Reads the `null` members of an index or an image manifest as Go does: as empty arrays or absent members. */
export function withoutNulls(document: JsonObject): WithoutNulls {
  const nulls: string[] = [];
  return { document: read(document, manifest, [], nulls), nulls };
}

function read(object: JsonObject, shape: Shape, path: readonly (string | number)[], nulls: string[]): JsonObject {
  const { lists = [], optional, inside = {} } = shape;
  const members = memberNames(object).map((name): readonly [string, Json | undefined] => {
    const value = object[name];
    const memberPath = [...path, name];
    if (value === null && (lists.includes(name) || optional.includes(name))) {
      nulls.push(pointerTo(...memberPath));
      return [name, lists.includes(name) ? [] : undefined];
    }
    const inner = Object.hasOwn(inside, name) ? inside[name] : undefined;
    return [name, inner === undefined ? value : readInside(value, inner, memberPath, nulls)];
  });
  return jsonObject(members);
}

function readInside(
  value: Json | undefined,
  shape: Shape,
  path: readonly (string | number)[],
  nulls: string[],
): Json | undefined {
  if (Array.isArray(value)) {
    return (value as readonly Json[]).map((item, at) =>
      isJsonObject(item) ? read(item, shape, [...path, at], nulls) : item,
    );
  }
  return isJsonObject(value) ? read(value, shape, path, nulls) : value;
}
