import { writeArchive } from '../../src/store/archive/write-archive.ts';
import type { ContentWriter } from '../../src/store/store.ts';
import { tarOf } from '../store/archive/tar-bytes.ts';
import { entryOf, makeIndex, sha256, type Image } from './images.ts';
import { putDocument, putImage } from './layouts.ts';
import { helloProgram } from './hello-program.ts';

/**
 * The images of docs/examples/images.tar, which the guides and the demo use. Each Linux image contains a program that
 * prints its platform, so that an engine can run it. Layers are not compressed, so the bytes do not depend on zlib.
 */

const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  statement: 'application/vnd.in-toto+json',
};

type PlatformJson = Readonly<Record<string, string>>;

interface Blob {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

function imageOf(config: object, layers: readonly Blob[]): Image {
  const describe = ({ mediaType, bytes, annotations }: Blob) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
    ...(annotations === undefined ? {} : { annotations }),
  });
  const configBytes = json(config);
  const bytes = json({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe({ mediaType: types.config, bytes: configBytes }),
    layers: layers.map(describe),
  });
  return {
    mediaType: types.manifest,
    digest: sha256(bytes),
    bytes,
    blobs: [configBytes, ...layers.map((layer) => layer.bytes)],
  };
}

/** An image with one file, `/hello`. */
function image(platform: PlatformJson, version: string, content: Buffer | string): Image {
  const layer = tarOf({ name: 'hello', content, damage: setExecutable });
  const created = '2026-01-01T00:00:00Z';
  const config = {
    created,
    ...platform,
    config: { Entrypoint: ['/hello'], Labels: { 'org.opencontainers.image.version': version } },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    history: [{ created, created_by: 'COPY hello /hello' }],
  };
  return imageOf(config, [{ mediaType: types.layer, bytes: layer }]);
}

/** Sets mode 755 and corrects the checksum, which is the sum of the bytes: the digits 6 and 4 4 become 7 and 5 5. */
function setExecutable(header: Buffer): void {
  header.write('0000755\0', 100);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}

function linuxImage(architecture: 'amd64' | 'arm64' | 'arm', version: string, variant?: string): Image {
  const name = `linux/${architecture}${variant === undefined ? '' : `/${variant}`}`;
  const program = helloProgram(architecture, `hello from ${name}, version ${version}\n`);
  return image({ architecture, os: 'linux', ...(variant === undefined ? {} : { variant }) }, version, program);
}

/** What BuildKit stores next to an image: an SBOM and the provenance, as in-toto statements. */
function attestation(of: Image): Image {
  const statement = (predicateType: string, predicate: object): Blob => ({
    mediaType: types.statement,
    bytes: json({
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType,
      subject: [{ name: 'pkg:docker/team/app', digest: { sha256: of.digest.slice('sha256:'.length) } }],
      predicate,
    }),
    annotations: { 'in-toto.io/predicate-type': predicateType },
  });
  const layers = [
    statement('https://spdx.dev/Document', { spdxVersion: 'SPDX-2.3', name: 'app', packages: [] }),
    statement('https://slsa.dev/provenance/v0.2', { buildType: 'https://mobyproject.org/buildkit@v1', materials: [] }),
  ];
  const rootfs = { type: 'layers', diff_ids: layers.map(({ bytes }) => sha256(bytes)) };
  return imageOf({ architecture: 'unknown', os: 'unknown', config: {}, rootfs }, layers);
}

/** Writes an image with its attestation, in an index as BuildKit pushes it. */
async function putBuild(target: ContentWriter, name: string, platform: PlatformJson, built: Image): Promise<void> {
  const attached = attestation(built);
  await putImage(target, built);
  await putImage(target, attached);
  const unknown = { architecture: 'unknown', os: 'unknown' };
  const annotations = {
    'vnd.docker.reference.digest': built.digest,
    'vnd.docker.reference.type': 'attestation-manifest',
  };
  await putDocument(target, makeIndex([entryOf(built, platform), entryOf(attached, unknown, { annotations })]), name);
}

async function putAll(target: ContentWriter): Promise<void> {
  for (const version of ['1.0', '1.1'] as const) {
    for (const architecture of ['amd64', 'arm64'] as const) {
      const platform = { architecture, os: 'linux' };
      await putBuild(target, `${version}-${architecture}`, platform, linuxImage(architecture, version));
    }
  }
  await putImage(target, linuxImage('arm', '1.0', 'v7'), '1.0-arm');
  for (const [name, version] of [
    ['ltsc2022', '10.0.20348.2402'],
    ['ltsc2025', '10.0.26100.1742'],
  ] as const)
    await putImage(target, image({ architecture: 'amd64', os: 'windows', 'os.version': version }, '1.0', name), name);
  await putImage(target, image({ architecture: 'wasm', os: 'wasi' }, '1.0', '\0asm\x01\0\0\0'), 'wasm');
}

/** Writes the archive. The same version of this file always writes the same bytes. */
export async function writeExampleImages(path: string): Promise<void> {
  await writeArchive(path, {}, putAll);
}
