import { MlistError } from '../errors.ts';
import { BlobCache } from '../content/cache.ts';
import { RegistrySession, type SessionOptions } from '../content/registry/session.ts';
import type { ContentSource, ContentTarget, Mounts } from '../oci/content.ts';
import type { Location } from '../oci/location.ts';

/** Opens the homes of content that a command works with; what they share lives as long as this. */
export class Homes {
  readonly registries: RegistrySession;
  /** Manifests and configs that were read before. */
  readonly cache: BlobCache;

  constructor(options: SessionOptions & { readonly workspaceFolder: string }) {
    this.registries = new RegistrySession(options);
    this.cache = new BlobCache(options.workspaceFolder);
  }

  source(location: Location): ContentSource {
    return this.target(location);
  }

  target(location: Location): ContentTarget & Partial<Mounts> {
    if (location.kind === 'registry') return this.registries.repository(location.reference);
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `locations of the kind ${location.kind}: are not read yet: ${location.path}`,
    );
  }

  close(): void {
    this.registries.close();
  }
}
