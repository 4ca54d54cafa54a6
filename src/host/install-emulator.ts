/** What makes a Linux machine run programs of others: commands to type, none of which is ever run here. */

/** What tonistiigi/binfmt brings an emulator for (cmd/binfmt/config.go). */
const inImage = new Set('386 amd64 arm arm64 loong64 mips64 mips64le ppc64le riscv64 s390x'.split(' '));

const IMAGE = 'docker run --privileged --rm tonistiigi/binfmt';
/** Debian and Ubuntu, then Fedora: these packages register their emulators with flag F. */
const PACKAGES = ['apt install qemu-user-static', 'dnf install qemu-user-static'] as const;

export function installEmulator(architecture: string): readonly string[] {
  return inImage.has(architecture) ? [`${IMAGE} --install ${architecture}`, ...PACKAGES] : PACKAGES;
}

/** A handler of the same name stands in the way of one with flag F. */
export function replaceHandler(name: string, architecture: string): readonly string[] {
  if (!inImage.has(architecture)) return PACKAGES;
  return [`${IMAGE} --uninstall ${name} && ${IMAGE} --install ${architecture}`, ...PACKAGES];
}

const FOLDER = '/proc/sys/fs/binfmt_misc';

export const enableAll = `echo 1 | sudo tee ${FOLDER}/status`;

export function enableHandler(name: string): string {
  return `echo 1 | sudo tee ${FOLDER}/${quoted(name)}`;
}

/** A name as a shell reads it, whatever is in it. */
function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
