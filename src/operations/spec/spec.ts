import type { Format } from '../../draft/draft.ts';
import type { EntryChange } from '../../draft/draft-edit.ts';
import type { Annotations, Descriptor } from '../../oci/descriptor.ts';
import type { Location } from '../../oci/location.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import type { MissingChoice, MissingPolicy } from '../publish/fill.ts';

/** The spec of a list as written in a file (schemas/spec.schema.json). */
export interface SpecDocument {
  readonly list: string;
  readonly tags?: readonly string[];
  readonly copy?: string;
  readonly format?: Format;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: string | Descriptor;
  readonly platforms?: readonly string[];
  readonly manifests?: readonly (string | ManifestSpec)[];
  readonly attestations?: 'keep' | 'drop';
  readonly missing?: MissingChoice;
  readonly fillFrom?: readonly string[];
  readonly ignoreMissing?: { readonly minimum: number };
  readonly expect?: readonly string[];
  readonly allowDuplicates?: boolean;
}

/** The spec of one source or, with placeholders, of one source per platform. */
export interface ManifestSpec {
  readonly image: string;
  readonly platform?: string | PlatformSpec | null;
  readonly platforms?: readonly string[];
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly attestations?: 'keep' | 'drop';
  readonly mediaType?: string;
  readonly size?: number;
  readonly urls?: readonly string[];
  readonly data?: string;
}

export interface PlatformSpec {
  readonly architecture?: string | null;
  readonly os?: string | null;
  readonly 'os.version'?: string | null;
  readonly 'os.features'?: readonly string[] | null;
  readonly variant?: string | null;
}

export interface ListSpec {
  readonly list: Reference;
  /** Canonical reference. */
  readonly name: string;
  /** The tags, in the form that `push --tag` accepts. */
  readonly tags: readonly string[];
  readonly content: CopySpec | EntriesSpec;
}

/** The spec of a list that is copied unchanged. */
export interface CopySpec extends Pick<MissingPolicy, 'missing' | 'fillFrom'> {
  readonly kind: 'copy';
  readonly from: Location;
}

/** The spec of a list that is built from entries. */
export interface EntriesSpec {
  readonly kind: 'entries';
  readonly format: Format;
  readonly annotations?: Annotations | undefined;
  readonly artifactType?: string | undefined;
  readonly subject?: Location | Descriptor | undefined;
  readonly entries: readonly EntrySpec[];
  /**
   * The minimum number of images in the list. Missing images are left out if at least this many images remain. If
   * undefined, no image may be missing.
   */
  readonly minimum?: number | undefined;
  readonly expect: readonly Platform[];
  readonly allowDuplicates: boolean;
}

export interface EntrySpec extends Pick<MissingPolicy, 'missing' | 'fillFrom'> {
  readonly location: Location;
  /** The complete platform of the image, as with `MANIFEST=PLATFORM`. */
  readonly platform?: Platform | undefined;
  /** Changes to the entry. The source must contain exactly one image. */
  readonly change?: EntryChange | undefined;
  readonly attestations: 'keep' | 'drop';
  /** The complete descriptor of the entry. If it is set, the source is not read. */
  readonly exact?: Descriptor | undefined;
}

/** Returns all locations that the spec reads from. */
export function locationsIn({ content }: ListSpec): readonly Location[] {
  if (content.kind === 'copy') return [content.from, ...(content.fillFrom ?? [])];
  const { subject } = content;
  const entries = content.entries.flatMap(({ location, fillFrom = [] }) => [location, ...fillFrom]);
  return subject !== undefined && 'kind' in subject ? [...entries, subject] : entries;
}
