// Builds the program as a single executable for this platform, or for `--platform linux-arm64` on Linux, and the archive
// that a release contains: docs/decisions/0080-releases.md.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inject } from 'postject';
import { compileBcryptWorker } from '../bcrypt-worker.js';
import { bundledPackages, licencesText } from '../bundled-packages.js';
import { bundleSingleFile } from '../bundle.js';
import { compileValidators } from '../validators.js';
import { tarGz, zip } from './archive.js';
import { fixedCodeCache } from './code-cache.js';
import { hostPlatform, NODE_VERSION, nodeFor } from './node-binary.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values } = parseArgs({
  options: {
    platform: { type: 'string', default: hostPlatform },
    out: { type: 'string', default: join(root, 'build') },
  },
});
const { platform, out } = values;
const [system, architecture] = platform.split('-');
const isHost = platform === hostPlatform;

const folder = join(out, platform);
const executable = join(folder, system === 'windows' ? 'mlist.exe' : 'mlist');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const node = nodeFor(root, platform);
const metafiles = [
  ...(await compileValidators(root)),
  ...(await compileBcryptWorker(root)),
  ...(await bundleSingleFile(root, join(folder, 'mlist.cjs'))),
];
const licences = [
  licencesText(bundledPackages(root, metafiles)),
  `The executable also contains Node ${NODE_VERSION}, with this licence:\n`,
  readFileSync(node.licence, 'utf8').replaceAll('\r\n', '\n'),
].join('\n');
writeFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), licences);

copyFileSync(node.binary, executable);
chmodSync(executable, 0o755);
// Stripping after the injection would damage the file.
if (system === 'linux')
  execFileSync(architecture === hostPlatform.split('-')[1] ? 'strip' : stripFor(architecture), [executable]);
if (system === 'macos') execFileSync('codesign', ['--remove-signature', executable]);
await inject(executable, 'NODE_SEA_BLOB', createBlob(), {
  sentinelFuse: 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
  ...(system === 'macos' ? { machoSegmentName: 'NODE_SEA' } : {}),
});
// macOS on arm64 runs only signed programs. An ad-hoc signature needs no certificate.
if (system === 'macos') execFileSync('codesign', ['--sign', '-', executable]);
if (isHost) verify();

const files = [
  { name: system === 'windows' ? 'mlist.exe' : 'mlist', content: readFileSync(executable), executable: true },
  { name: 'LICENSE', content: readFileSync(join(root, 'LICENSE')) },
  { name: 'THIRD-PARTY-LICENSES.txt', content: Buffer.from(licences) },
];
const archive = join(out, `mlist-${version}-${platform}.${system === 'windows' ? 'zip' : 'tar.gz'}`);
writeFileSync(archive, system === 'windows' ? zip(files) : tarGz(files));
console.log(executable);
console.log(archive);

/** The program and its code cache, in the format that Node reads from the executable. */
function createBlob() {
  const generator = isHost ? node.binary : nodeFor(root, hostPlatform).binary;
  const configuration = {
    main: 'mlist.cjs',
    output: 'mlist.blob',
    disableExperimentalSEAWarning: true,
    // V8 accepts a code cache only on the architecture that created it.
    useCodeCache: isHost,
    // NODE_OPTIONS could make the program run other code.
    execArgvExtension: 'none',
  };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(configuration));
  // The blob contains the path of the main file, so it is a relative one.
  const generate = (...flags) => {
    execFileSync(generator, [...flags, '--experimental-sea-config', 'sea.json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return readFileSync(join(folder, 'mlist.blob'));
  };
  return isHost ? fixedCodeCache(generator, generate) : generate();
}

/** Binutils for another architecture have prefixed names. */
function stripFor(target) {
  const name = `${{ arm64: 'aarch64', x64: 'x86-64' }[target]}-linux-gnu-strip`;
  if (spawnSync(name, ['--version']).error !== undefined)
    throw new Error(`install ${name}, from binutils for ${target}`);
  return name;
}

/** Node prints a warning if it cannot use the code cache. */
function verify() {
  const { stdout, stderr } = spawnSync(executable, ['--version'], { encoding: 'utf8' });
  if (stdout.trim() !== version || stderr !== '') throw new Error(`the executable does not work: ${stdout}${stderr}`);
}
