// Completes the files of a release: the software bill of materials, checksums, and the text of the release page.
// Usage: node .tools/release/release-files.js FOLDER, which contains the archives of the executables and the npm tarball.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_VERSION } from './node-binary.js';
import { repositoryUrl } from './package-files.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const [folder] = process.argv.slice(2);

/** The files that users and .github/actions/setup download by these names. */
const FILES = [
  ...['linux-x64', 'linux-arm64', 'macos-x64', 'macos-arm64'].map((platform) => `mlist-${version}-${platform}.tar.gz`),
  `mlist-${version}-windows-x64.zip`,
  `mlist-${version}.tgz`,
];
const present = readdirSync(folder);
const missing = FILES.filter((name) => !present.includes(name));
if (missing.length > 0) throw new Error(`these files of the release are missing: ${missing.join(', ')}`);

const bill = `mlist-${version}.cdx.json`;
writeFileSync(join(folder, bill), `${JSON.stringify(withNode(readBill()), null, 2)}\n`);
const sums = [...FILES, bill].sort().map((name) => `${sha256(join(folder, name))}  ${name}\n`);
writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
// Not a file of the release, so it is not in the folder.
process.stdout.write(releaseNotes());

function readBill() {
  const text = execFileSync('tar', ['-xzOf', join(folder, `mlist-${version}.tgz`), 'package/dist/sbom.cdx.json']);
  return JSON.parse(text.toString('utf8'));
}

function withNode(document) {
  const node = {
    type: 'platform',
    'bom-ref': `pkg:generic/node@${NODE_VERSION}`,
    name: 'node',
    version: NODE_VERSION,
    description: 'The executables and the image contain it; the npm package does not.',
    purl: `pkg:generic/node@${NODE_VERSION}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${NODE_VERSION}:*:*:*:*:*:*:*`,
    licenses: [{ license: { id: 'MIT' } }],
  };
  const [main, ...others] = document.dependencies;
  return {
    ...document,
    components: [...document.components, node],
    dependencies: [{ ...main, dependsOn: [...main.dependsOn, node['bom-ref']] }, ...others, { ref: node['bom-ref'] }],
  };
}

function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function releaseNotes() {
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const sections = changelog.split(/^(?=## )/m);
  const section = sections.find((text) => text.startsWith(`## ${version}\n`) || text.startsWith(`## ${version} `));
  if (section === undefined) throw new Error(`CHANGELOG.md has no section for ${version}`);
  const repository = repositoryUrl(process.env);
  const page = repository === undefined ? 'docs/install.md' : `${repository}/blob/v${version}/docs/install.md`;
  return `${section.replace(/^.*\n/, '').trim()}

### Requirements

- Linux executables: glibc ${oldestGlibc()} or newer. On Alpine and other systems with musl, install the npm package.
- All executables contain Node ${NODE_VERSION}. The npm package runs on Node 20.19 and newer.
- The macOS executables have an ad-hoc signature and are not notarized.

[Installation, checksums and provenance](${page})
`;
}

/** The newest version of glibc whose symbols the Linux executables use. */
function oldestGlibc() {
  const versions = ['linux-x64', 'linux-arm64'].flatMap((platform) => {
    const temporary = mkdtempSync(join(tmpdir(), 'mlist-release-'));
    try {
      execFileSync('tar', ['-xzf', join(folder, `mlist-${version}-${platform}.tar.gz`), '-C', temporary, 'mlist']);
      const text = execFileSync('readelf', ['--wide', '--version-info', join(temporary, 'mlist')], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return [...text.matchAll(/Name: GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });
  const [newest] = versions.sort((one, other) => other[0] - one[0] || other[1] - one[1]);
  return newest.join('.');
}
