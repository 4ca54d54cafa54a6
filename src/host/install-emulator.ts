/**
 * This module returns the commands that let a Linux host run programs of other architectures. mlist prints them, but
 * never runs them.
 */

/** Architectures for which tonistiigi/binfmt installs an emulator (cmd/binfmt/config.go). */
const installable = new Set('386 amd64 arm arm64 loong64 mips64 mips64le ppc64le riscv64 s390x'.split(' '));

const IMAGE = 'docker run --privileged --rm tonistiigi/binfmt';
/** The commands for Debian and Ubuntu, and for Fedora. These packages register their emulators with flag F. */
const PACKAGES = ['apt install qemu-user-static', 'dnf install qemu-user-static'] as const;

export function installEmulator(architecture: string): readonly string[] {
  return installable.has(architecture) ? [`${IMAGE} --install ${architecture}`, ...PACKAGES] : PACKAGES;
}

/**
 * Returns alternative commands, each of which registers an emulator with flag F. The docker command removes the old
 * handler first, because the names of handlers are unique.
 */
export function replaceHandler(name: string, architecture: string): readonly string[] {
  if (!installable.has(architecture)) return PACKAGES;
  return [`${IMAGE} --uninstall ${name} && ${IMAGE} --install ${architecture}`, ...PACKAGES];
}

const FOLDER = '/proc/sys/fs/binfmt_misc';

export const enableAll = `echo 1 | sudo tee ${FOLDER}/status`;

export function enableHandler(name: string): string {
  return `echo 1 | sudo tee ${FOLDER}/${quoted(name)}`;
}

/** Quotes a name for the shell if necessary. */
function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
