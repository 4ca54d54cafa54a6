import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { pointerTo } from '../../json/pointer.ts';
import type { YamlReading } from '../../schema/yaml-document.ts';
import type { ManifestSpec, PlatformSpec, SpecDocument } from './spec.ts';

/** A part of a spec that mlist and manifest-tool read differently. */
export interface Quirk {
  readonly pointer: string;
  readonly message: string;
}

export interface Converted {
  readonly document: SpecDocument;
  readonly quirks: readonly Quirk[];
}

/** Whether a document is a spec for manifest-tool, which has `image` instead of `list`. */
export function isManifestToolSpec(value: Json | undefined): boolean {
  return isJsonObject(value) && 'image' in value && !('list' in value);
}

/** Converts a JSON pointer in the converted spec to the pointer of the same member in the manifest-tool spec. */
export function pointerInTool(pointer: string): string {
  return pointer === '/list' ? '/image' : pointer;
}

/**
 * Converts a valid spec for manifest-tool, and lists the differences between the two tools.
 * @param base - pointer to the spec in the document
 */
export function fromManifestTool(value: JsonObject, reading: YamlReading, base: string): Converted {
  const converter = new Converter(reading, base);
  return { document: converter.document(value), quirks: converter.quirks };
}

/** Platform members, keyed by their names in manifest-tool's specs. manifest-tool ignores names with `isIgnored`. */
const members: Readonly<Record<string, { readonly name: keyof PlatformSpec; readonly isIgnored?: boolean }>> = {
  architecture: { name: 'architecture' },
  os: { name: 'os' },
  variant: { name: 'variant' },
  osversion: { name: 'os.version' },
  'os.version': { name: 'os.version', isIgnored: true },
  osfeatures: { name: 'os.features' },
  'os.features': { name: 'os.features', isIgnored: true },
};

class Converter {
  readonly quirks: Quirk[] = [];
  readonly #reading: YamlReading;
  readonly #base: string;

  constructor(reading: YamlReading, base: string) {
    this.#reading = reading;
    this.#base = base;
  }

  document({ image, tags, annotations, manifests }: JsonObject): SpecDocument {
    const list = image as string;
    const hasTag = /:[^/]*$/.test(list);
    if (!hasTag) this.#addQuirk('/image', 'manifest-tool would push the list without a tag; mlist adds the tag latest');
    const more = isJsonObject(annotations)
      ? Object.entries(annotations).map(([name, one]) => [name, this.#text(one, pointerTo('annotations', name)) ?? ''])
      : [];
    return {
      list,
      ...(Array.isArray(tags) ? { tags: this.#texts(tags, '/tags') } : {}),
      ...(more.length === 0 ? {} : { annotations: Object.fromEntries(more) as Record<string, string> }),
      manifests: (manifests as readonly JsonObject[]).map((one, at) => this.#manifest(one, pointerTo('manifests', at))),
    };
  }

  #manifest({ image, platform }: JsonObject, pointer: string): ManifestSpec {
    const stated = isJsonObject(platform) ? this.#platform(platform, `${pointer}/platform`) : {};
    return { image: image as string, ...(Object.keys(stated).length === 0 ? {} : { platform: stated }) };
  }

  #platform(platform: JsonObject, pointer: string): PlatformSpec {
    const pairs = Object.entries(platform).flatMap(([written, value]) => {
      const at = `${pointer}${pointerTo(written)}`;
      const { name, isIgnored = false } = members[written] ?? {};
      if (name === undefined) return [];
      if (isIgnored)
        this.#addQuirk(
          at,
          `manifest-tool ignores ${written} and reads only ${written.replace('.', '')}; mlist reads both`,
        );
      const read = Array.isArray(value) ? this.#texts(value, at) : this.#text(value, at);
      return read === undefined || read.length === 0 ? [] : [[name, read] as const];
    });
    return Object.fromEntries(pairs);
  }

  #texts(values: readonly Json[], pointer: string): readonly string[] {
    return values.flatMap((value, at) => this.#text(value, `${pointer}/${at}`) ?? []);
  }

  /** Converts a value to a string. A number keeps its spelling, such as `10.0`. Returns undefined for null. */
  #text(value: Json | undefined, pointer: string): string | undefined {
    if (value === null || value === undefined) return undefined;
    if (typeof value === 'string') return value;
    const text = this.#reading.sourceOf(this.#base + pointer) ?? JSON.stringify(value);
    this.#addQuirk(pointer, `${text} is read as the string ${JSON.stringify(text)}`);
    return text;
  }

  #addQuirk(pointer: string, message: string): void {
    this.quirks.push({ pointer, message });
  }
}
