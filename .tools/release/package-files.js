// The files of the published package.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packedLinks } from './package-links.js';

// What else npm adds by itself.
const ALWAYS = ['package.json', 'README.md', 'LICENSE'];

/** The repository's address from the environment of a workflow, or undefined. */
export function repositoryUrl({ GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name }) {
  return server && name ? `${server}/${name}` : undefined;
}

/**
 * Copies the files of the package to a folder, as they are published: package.json without what only a checkout needs, and
 * pages whose links work without the rest of the repository.
 *
 * @param repository the address of the repository. Without it, package.json does not name one
 * @returns the package.json
 */
export function stagePackage(root, folder, repository) {
  const original = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mkdirSync(folder, { recursive: true });
  const excluded = original.files.filter((name) => name.startsWith('!')).map((name) => join(root, name.slice(1)));
  const included = original.files.filter((name) => !name.startsWith('!'));
  for (const name of [...included, ...ALWAYS])
    cpSync(join(root, name), join(folder, name), { recursive: true, filter: (path) => !excluded.includes(path) });
  renameSync(join(folder, 'dist/THIRD-PARTY-LICENSES.txt'), join(folder, 'THIRD-PARTY-LICENSES.txt'));
  const published = publishedManifest(original, repository);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);

  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const packed = new Set(names);
  for (const page of names.filter((name) => name.endsWith('.md'))) {
    const text = readFileSync(join(folder, page), 'utf8');
    const place = repository === undefined ? undefined : `${repository}/blob/v${published.version}`;
    writeFileSync(
      join(folder, page),
      packedLinks(text, { page, root, isPacked: (path) => packed.has(path), repository: place }),
    );
  }
  return published;
}

function publishedManifest(original, repository) {
  const { files, ...manifest } = original;
  // `prepare` builds the package from its sources, which are not published.
  delete manifest.scripts;
  delete manifest.devDependencies;
  if (repository !== undefined) {
    // npm accepts a provenance statement only if this is the repository of the workflow.
    manifest.repository = { type: 'git', url: `git+${repository}.git` };
    manifest.homepage = `${repository}#readme`;
    manifest.bugs = `${repository}/issues`;
  }
  return { ...manifest, files: [...files, 'THIRD-PARTY-LICENSES.txt'] };
}
