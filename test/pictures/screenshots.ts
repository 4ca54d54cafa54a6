import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { Browser } from '../support/browser.ts';
import { attestationEntry } from '../support/buildx.ts';
import { entryOf, makeIndex, putManifest } from '../support/images.ts';
import { amd64, appFor, arm64, armv7, attestationOf, MIB, pushManifest } from './content.ts';

/**
 * Takes the pictures of the pages of the registry that the documentation has, with an installed browser.
 * Usage: screenshots.mjs FOLDER
 */
const [folder = ''] = process.argv.slice(2);

/** Several versions of an application. The list has attestations, annotations, and images for a CPU level. */
async function fill({ url }: RunningRegistry): Promise<void> {
  const level3 = { ...amd64, variant: 'v3' };
  const images = [
    { image: appFor(amd64, 'amd64', 9.6 * MIB), platform: amd64 },
    { image: appFor(level3, 'amd64v3', 9.4 * MIB), platform: level3 },
    { image: appFor(arm64, 'arm64', 9.1 * MIB), platform: { ...arm64, variant: 'v8' } },
    { image: appFor(armv7, 'armv7', 8.2 * MIB), platform: armv7 },
  ];
  for (const repository of ['team/app', 'team/app-debug', 'tools/lint', 'web/frontend']) {
    const entries: object[] = [];
    for (const { image, platform } of images) {
      await pushManifest(url, repository, image.digest, image);
      entries.push(entryOf(image, platform));
    }
    for (const { image } of images.slice(0, 3)) {
      const attestation = attestationOf(image);
      await pushManifest(url, repository, attestation.digest, attestation);
      entries.push(attestationEntry(attestation, image));
    }
    const list = makeIndex(entries, {
      annotations: {
        'org.opencontainers.image.created': '2026-05-04T10:00:00Z',
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.opencontainers.image.source': 'https://git.example/team/app',
        'org.opencontainers.image.version': '1.4.2',
      },
    });
    const older = makeIndex(entries.slice(0, 1).concat(entries.slice(2, 3)));
    for (const tag of ['1.4', '1.4.2', 'latest']) await putManifest(url, repository, tag, list.mediaType, list.bytes);
    for (const tag of ['1.3', '1.3.9']) await putManifest(url, repository, tag, older.mediaType, older.bytes);
    const [first] = images;
    if (first !== undefined) await pushManifest(url, repository, '1.4.2-amd64', first.image);
  }
}

const scenes = [
  { name: 'list', path: '/-/repo/team/app:1.4.2', height: 1000 },
  { name: 'tags', path: '/-/repo/team/app', height: 900 },
] as const;

const registry = await startRegistry({
  // The pictures show this name, and not the port of this run.
  intercept: ({ headers, method }) => {
    if (method === 'GET') headers.host = 'localhost:5000';
    return false;
  },
});
const browser = await Browser.start();
try {
  await fill(registry);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const { name, path, height } of scenes) {
    for (const width of [360, 1600]) {
      for (const theme of ['dark', 'light'] as const) {
        const tab = await browser.open({ width, theme });
        await tab.goto(`${registry.url}${path}`);
        await writeFile(join(folder, `${name}-${width}-${theme}.png`), await tab.picture(height));
      }
    }
  }
} finally {
  await browser.close();
  await registry.close();
}
