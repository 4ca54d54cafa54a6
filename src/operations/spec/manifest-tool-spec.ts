import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { pointerTo } from '../../json/pointer.ts';
import type { YamlReading } from '../../schema/yaml-document.ts';
import type { ManifestSpec, PlatformSpec, SpecDocument } from './spec.ts';

/** What manifest-tool would have done otherwise, with the place. */
export interface Quirk {
  readonly pointer: string;
  readonly message: string;
}

export interface Converted {
  readonly document: SpecDocument;
  readonly quirks: readonly Quirk[];
}

/** Whether a document is a spec of manifest-tool: its list is called `image`. */
export function isManifestToolSpec(value: Json | undefined): boolean {
  return isJsonObject(value) && 'image' in value && !('list' in value);
}

/** The pointer into a manifest-tool spec for one into the spec made of it. */
export function pointerInTool(pointer: string): string {
  return pointer === '/list' ? '/image' : pointer;
}

/**
 * Makes a spec of one of manifest-tool that fits its schema, and tells where the two tools differ.
 * @param base - pointer to the spec in what was read
 */
export function fromManifestTool(value: JsonObject, reading: YamlReading, base: string): Converted {
  const converter = new Converter(reading, base);
  return { document: converter.document(value), quirks: converter.quirks };
}

/** By manifest-tool's name: the member of a platform, and whether manifest-tool passes over it in silence. */
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
    if (!hasTag) this.#tell('/image', 'manifest-tool would push it without a tag; here it gets the tag latest');
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
      if (isIgnored) this.#tell(at, `manifest-tool passes over ${written}, and knows ${written.replace('.', '')} only`);
      const read = Array.isArray(value) ? this.#texts(value, at) : this.#text(value, at);
      return read === undefined || read.length === 0 ? [] : [[name, read] as const];
    });
    return Object.fromEntries(pairs);
  }

  #texts(values: readonly Json[], pointer: string): readonly string[] {
    return values.flatMap((value, at) => this.#text(value, `${pointer}/${at}`) ?? []);
  }

  /** A number as it is written: `10.0` stays that. */
  #text(value: Json | undefined, pointer: string): string | undefined {
    if (value === null || value === undefined) return undefined;
    if (typeof value === 'string') return value;
    const text = this.#reading.sourceOf(this.#base + pointer) ?? JSON.stringify(value);
    this.#tell(pointer, `${text} is taken for the text ${JSON.stringify(text)}`);
    return text;
  }

  #tell(pointer: string, message: string): void {
    this.quirks.push({ pointer, message });
  }
}
