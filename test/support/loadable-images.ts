import { gzipSync } from 'node:zlib';
import { tarOf } from '../store/archive/tar-bytes.ts';
import { sha256, type Image } from './images.ts';

/** Creates images that container engines can unpack: their layers are tar archives that agree with the config. */

export interface LoadableOptions {
  readonly os?: string;
  readonly architecture?: string;
  /** Makes the image differ from others. */
  readonly salt: string;
  /** Size of the file in the layer. */
  readonly fileBytes?: number;
  readonly compress?: (layer: Buffer) => Buffer;
  readonly layerType?: string;
  /** The digest of the uncompressed layer in the config. Default: the correct one. */
  readonly diffId?: string;
}

export type LoadableImage = Image & { readonly platform: string; readonly id: string };

export function loadableImage(options: LoadableOptions): LoadableImage {
  const { os = 'linux', architecture = 'amd64', salt, fileBytes = 100, compress = gzipSync } = options;
  const { layerType = 'application/vnd.oci.image.layer.v1.tar+gzip' } = options;
  const name = os === 'windows' ? 'Files/salt.txt' : 'salt.txt';
  const tar = tarOf({ name, content: Buffer.alloc(fileBytes, `${salt} ${os} ${architecture}\n`) });
  const layer = compress(tar);
  const rootfs = { type: 'layers', diff_ids: [options.diffId ?? sha256(tar)] };
  const config = Buffer.from(JSON.stringify({ architecture, os, config: { Cmd: ['/salt'] }, rootfs }));
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe(layerType, layer)],
    }),
  );
  const id = sha256(config);
  return { mediaType, digest: sha256(bytes), bytes, blobs: [config, layer], platform: `${os}/${architecture}`, id };
}

/** The entry of an image in an index. */
export function loadableEntry({ mediaType, digest, bytes, platform }: LoadableImage): object {
  const [os, architecture] = platform.split('/');
  return { mediaType, digest, size: bytes.length, platform: { architecture, os } };
}
