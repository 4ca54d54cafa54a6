import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, hang } from '../support/recording-proxy.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256 } from '../support/images.ts';
import { startMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** Blobs are written to an archive sequentially, and small ones are read ahead. The large blob of this list never arrives. */
describe('an archive that waits for a large blob', () => {
  const images = ['amd64', 'arm64'].map((architecture) =>
    makeImage({ kind: 'oci', salt: architecture, platform: { os: 'linux', architecture } }),
  );
  const noise = Buffer.from(
    Array.from({ length: 400_000 }, (_, at) => String.fromCharCode(33 + ((at * at) % 90))).join(''),
  );
  const large = makeImage({ kind: 'oci', salt: 'large' });
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', size: noise.length, digest: sha256(noise) };
  const first = {
    ...large,
    bytes: Buffer.from(JSON.stringify({ ...(JSON.parse(large.bytes.toString()) as object), layers: [layer] })),
    blobs: [large.blobs[0]!, noise],
  };
  const image = { ...first, digest: sha256(first.bytes) };
  const list = makeIndex([image, ...images].map((one) => entryOf(one)));
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
    for (const one of [image, ...images]) await pushImage(registry.url, 'app', undefined, one);
    await putManifest(registry.url, 'app', 'v1', list.mediaType, list.bytes);
  });
  afterAll(() => registry.close());

  test.each([
    ['a small one is missing', () => undefined, 4, 'does not have it (HTTP 404)'],
    ['it is interrupted', (kill: () => void) => kill(), 143, 'interrupted'],
  ])('%s: it is reported at once, and no files remain', async (_name, fail, code, message) => {
    const folder = await temporaryFolder();
    const proxy = await RecordingProxy.start({ upstream: registry.url });
    const config = sha256(images[1]!.blobs[0]!);
    let isHanging: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => (isHanging = resolve));
    proxy.on(new RegExp(`^GET .*${layer.digest}`), (exchange) => {
      isHanging();
      return hang(exchange);
    });
    proxy.on(new RegExp(`^GET .*${config}`), async (exchange) => {
      await hanging;
      if (code === 4) return answer(404)(exchange);
      return hang(exchange);
    });
    try {
      const { child, ended } = startMlist(
        ['copy', `${proxy.host}/app:v1`, `oci-archive:${join(folder, 'app.tar')}`, '--retries', '0'],
        { MLIST_WORKSPACE: join(folder, 'workspace') },
      );
      await hanging;
      fail(() => child.kill('SIGTERM'));
      const { stderr, ...rest } = await ended;
      expect(rest).toMatchObject({ code, stdout: '' });
      expect(stderr).toContain('mlist: ');
      expect(stderr).not.toMatch(/^ +at /m);
      expect(stderr).toContain(message);
      expect(await readdir(folder)).not.toContainEqual(expect.stringMatching(/tar/));
    } finally {
      await proxy.close();
    }
  });
});
