import type { ReferrersParts } from '../../src/content/registry/referrers.ts';
import { MlistError } from '../../src/errors.ts';
import { parseDigest } from '../../src/oci/digest.ts';
import { getManifest } from './images.ts';

/** What listing referrers needs of a repository, over plain fetch. */
export function referrersParts(url: string, path: string): ReferrersParts {
  return {
    location: `${new URL(url).host}/${path}`,
    path,
    get: async (target, accept) => {
      const response = await fetch(new URL(target, url));
      if (!accept.includes(response.status)) throw new MlistError('ERR_MLIST_REGISTRY', `HTTP ${response.status}`);
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        url: new URL(response.url),
        bytes: new Uint8Array(await response.arrayBuffer()),
      };
    },
    fetchManifest: async (name) => {
      const served = await getManifest(url, path, name);
      if (served === undefined) throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no ${name}`);
      const { mediaType, digest, bytes } = served;
      return { descriptor: { mediaType, digest: parseDigest(digest), size: bytes.length }, bytes };
    },
  };
}
