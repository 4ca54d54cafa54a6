// Makes the build context of the container image, from the executables in build/ and from packages of the Debian (or Ubuntu)
// that it runs on: `--platform linux-x64`, which can be repeated (default: all that are built), and `--out FOLDER`. Needs apt,
// dpkg and binutils. docs/decisions/0080-releases.md.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ARCHITECTURES = {
  'linux-x64': { name: 'amd64', libraries: 'x86_64-linux-gnu' },
  'linux-arm64': { name: 'arm64', libraries: 'aarch64-linux-gnu' },
};
const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'ca-certificates', 'base-files'];

// What the C library loads at run time to resolve names. Since version 2.34 it mostly contains them.
const LOADED = ['libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2'];

const NONROOT = 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values } = parseArgs({
  options: {
    platform: { type: 'string', multiple: true },
    out: { type: 'string', default: join(root, 'build/image') },
  },
});
const executableOf = (platform) => join(root, 'build', platform, 'mlist');
const platforms =
  values.platform ?? Object.keys(ARCHITECTURES).filter((platform) => existsSync(executableOf(platform)));
if (platforms.length === 0) throw new Error('no executable is built: run npm run build:binary');
mkdirSync(join(values.out, 'home/nonroot'), { recursive: true });
for (const platform of platforms) {
  const temporary = mkdtempSync(join(tmpdir(), 'mlist-image-'));
  try {
    createRootFileSystem(platform, temporary);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
console.log(values.out);

function createRootFileSystem(platform, temporary) {
  const { name: architecture, libraries } = ARCHITECTURES[platform] ?? {};
  if (architecture === undefined) throw new Error(`there is no image for ${platform}`);
  const target = join(values.out, architecture);
  rmSync(target, { recursive: true, force: true });
  const put = (source, path) => {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    copyFileSync(source, join(target, path));
  };
  const write = (path, content) => {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), content);
  };
  const unpacked = join(temporary, 'root');
  const archives = download(architecture, temporary);
  for (const archive of archives) execFileSync('dpkg-deb', ['--extract', archive, unpacked]);

  put(executableOf(platform), 'usr/bin/mlist');
  put(join(root, 'LICENSE'), 'usr/share/doc/mlist/LICENSE');
  put(join(root, 'build', platform, 'THIRD-PARTY-LICENSES.txt'), 'usr/share/doc/mlist/THIRD-PARTY-LICENSES.txt');

  const find = (name) =>
    ['lib', 'usr/lib'].map((folder) => join(unpacked, folder, libraries, name)).find((path) => existsSync(path));
  const { interpreter } = elfOf(executableOf(platform));
  put(find(basename(interpreter)), interpreter);
  const names = new Set([
    ...elfOf(executableOf(platform)).needed,
    ...LOADED.filter((name) => find(name) !== undefined),
  ]);
  names.delete(basename(interpreter));
  for (const name of names) {
    const path = find(name);
    if (path === undefined) throw new Error(`${PACKAGES.join(', ')} do not contain ${name}`);
    put(realpathSync(path), join('lib', libraries, name));
    for (const needed of elfOf(path).needed) if (needed !== basename(interpreter)) names.add(needed);
  }

  const certificates = join(unpacked, 'usr/share/ca-certificates/mozilla');
  const texts = readdirSync(certificates)
    .sort()
    .map((name) => readFileSync(join(certificates, name), 'utf8').trimEnd());
  write('etc/ssl/certs/ca-certificates.crt', `${texts.join('\n')}\n`);
  write('etc/passwd', `root:x:0:0:root:/root:/sbin/nologin\n${NONROOT}\n`);
  write('etc/group', 'root:x:0:\nnonroot:x:65532:\n');
  write('etc/nsswitch.conf', 'hosts: files dns\n');
  mkdirSync(join(target, 'tmp'));
  chmodSync(join(target, 'tmp'), 0o1777);
  describePackages(archives, unpacked, put, write);
  cpSync(join(unpacked, 'usr/share/common-licenses'), join(target, 'usr/share/common-licenses'), {
    recursive: true,
    verbatimSymlinks: true,
  });
}

/** Downloads the packages with lists of their own, so that the packages of another architecture can be found. */
function download(architecture, temporary) {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'archives'])
    mkdirSync(join(temporary, folder), { recursive: true });
  writeFileSync(join(temporary, 'status'), '');
  const options = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': 'root',
    'Dir::Cache': join(temporary, 'cache'),
    'Dir::State::lists': join(temporary, 'lists'),
    'Dir::State::status': join(temporary, 'status'),
  };
  const apt = (...args) =>
    execFileSync(
      'apt-get',
      [...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]), '-qq', ...args],
      {
        cwd: join(temporary, 'archives'),
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
  apt('update');
  apt('download', ...PACKAGES);
  const archives = () =>
    readdirSync(join(temporary, 'archives'))
      .sort()
      .map((name) => join(temporary, 'archives', name));
  // The copyright file of GCC's libraries is in a package whose name contains a version.
  const [base] = archives().flatMap((archive) => /\bgcc-\d+-base\b/.exec(field(archive, 'Depends')) ?? []);
  apt('download', base);
  return archives();
}

function field(archive, ...names) {
  return execFileSync('dpkg-deb', ['--field', archive, ...names], { encoding: 'utf8' });
}

/** Adds the copyright files, and the files by which scanners recognize the distribution and its packages. */
function describePackages(archives, unpacked, put, write) {
  for (const archive of archives) {
    const name = field(archive, 'Package').trim();
    put(join(unpacked, 'usr/share/doc', name, 'copyright'), `usr/share/doc/${name}/copyright`);
    write(
      `var/lib/dpkg/status.d/${name}`,
      field(archive, 'Package', 'Version', 'Architecture', 'Maintainer', 'Source', 'Description'),
    );
  }
  const release = join(unpacked, 'usr/lib/os-release');
  put(release, 'usr/lib/os-release');
  put(release, 'etc/os-release');
}

/** The interpreter and the needed libraries of an ELF file. */
function elfOf(path) {
  const text = execFileSync('readelf', ['--wide', '--program-headers', '--dynamic', path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [, interpreter = ''] = /program interpreter: (\S+?)\]/.exec(text) ?? [];
  return { interpreter, needed: [...text.matchAll(/\(NEEDED\).*\[(\S+)\]/g)].map(([, name]) => name) };
}
