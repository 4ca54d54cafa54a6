import { access, readdir, readFile } from 'node:fs/promises';
import { endianness, machine, release } from 'node:os';
import { join } from 'node:path';
import { openFiles } from '../files/open-files.ts';
import { resolveArchitecture } from '../oci/platform-names.ts';
import { amd64Level, arm64Level, armVariant, isApple } from './cpu.ts';
import { parseHandler } from './binfmt.ts';
import type { Binfmt, HostFacts } from './facts.ts';

/** Where the facts are read from; a test brings folders of its own. */
export interface HostSources {
  /** Default: the system that this runs on, in Node's words. */
  readonly platform?: NodeJS.Platform | undefined;
  /** As `uname -m` says; default: of this machine. */
  readonly machine?: string | undefined;
  readonly endianness?: 'BE' | 'LE' | undefined;
  /** As `uname -r` says; of Windows the version. Default: of this machine. */
  readonly release?: string | undefined;
  /** The folder that `/proc`, `/run` and `/.dockerenv` are in. Default: `/`. */
  readonly root?: string | undefined;
}

const systems: Readonly<Partial<Record<NodeJS.Platform, string>>> = { win32: 'windows', sunos: 'solaris' };

/** Reads what is known of this machine. What cannot be read is left out: it never fails. */
export async function readHost(sources: HostSources = {}): Promise<HostFacts> {
  const platform = sources.platform ?? process.platform;
  const named = machineNamed(sources.machine ?? machine());
  const architecture = withByteOrder(named.architecture, sources.endianness ?? endianness());
  const facts = { os: systems[platform] ?? platform, architecture };
  if (platform === 'win32') return { ...facts, version: sources.release ?? release(), inContainer: false };
  if (platform !== 'linux') return { ...facts, inContainer: false };
  return { ...facts, ...(await readLinux(sources.root ?? '/', architecture, named.variant)) };
}

/** As `uname -m` says it: ARM with its variant and more, such as `armv5tejl`. */
function machineNamed(name: string): { readonly architecture: string; readonly variant?: string | undefined } {
  const variant = /^armv([4-8])/.exec(name)?.[1];
  return variant === undefined ? resolveArchitecture(name) : { architecture: 'arm', variant: `v${variant}` };
}

/** `uname -m` calls MIPS of both byte orders the same. */
function withByteOrder(architecture: string, order: 'BE' | 'LE'): string {
  return order === 'LE' && /^mips(?:64)?$/.test(architecture) ? `${architecture}le` : architecture;
}

type LinuxFacts = Omit<HostFacts, 'os' | 'architecture'>;

async function readLinux(root: string, architecture: string, named: string | undefined): Promise<LinuxFacts> {
  const cpuinfo = (await textOf(join(root, 'proc/cpuinfo'))) ?? '';
  const variant = architecture === 'arm' ? (armVariant(cpuinfo) ?? named) : undefined;
  const level =
    architecture === 'amd64' ? amd64Level(cpuinfo) : architecture === 'arm64' ? arm64Level(cpuinfo) : undefined;
  const runs32Bit = await readsAs32Bit(root, architecture, cpuinfo);
  const marks = await Promise.all(['.dockerenv', 'run/.containerenv'].map((name) => isThere(join(root, name))));
  return {
    ...(variant === undefined ? {} : { variant }),
    ...(level === undefined ? {} : { level }),
    ...(runs32Bit === undefined ? {} : { runs32Bit }),
    inContainer: marks.includes(true),
    binfmt: await readBinfmt(root),
  };
}

/** A kernel of amd64 that runs 32-bit programs has a switch for their system calls (arch/x86/entry/vdso/vdso32-setup.c). */
async function readsAs32Bit(root: string, architecture: string, cpuinfo: string): Promise<boolean | undefined> {
  if (architecture === 'arm64' && isApple(cpuinfo)) return false;
  if (architecture !== 'amd64') return undefined;
  const isOff = / ia32_emulation=(?:0|off|n|false)(?: |$)/.test(
    ` ${(await textOf(join(root, 'proc/cmdline'))) ?? ''}`.trimEnd(),
  );
  if (isOff) return false;
  return (await isThere(join(root, 'proc/sys/abi/vsyscall32'))) ? true : undefined;
}

async function readBinfmt(root: string): Promise<Binfmt> {
  const folder = join(root, 'proc/sys/fs/binfmt_misc');
  const status = await textOf(join(folder, 'status'));
  if (status === undefined) return { state: 'absent', handlers: [] };
  const names = await readdir(folder).catch(() => []);
  const read = await Promise.all(
    names
      .filter((name) => name !== 'status' && name !== 'register')
      .sort()
      .map(async (name) => {
        const handler = parseHandler(name, (await textOf(join(folder, name))) ?? '');
        return handler && { ...handler, hasInterpreter: await isThere(join(root, handler.interpreter)) };
      }),
  );
  return {
    state: status.trim() === 'disabled' ? 'disabled' : 'enabled',
    handlers: read.filter((handler) => handler !== undefined),
  };
}

async function textOf(path: string): Promise<string | undefined> {
  return openFiles.run(() => readFile(path, 'utf8')).catch(() => undefined);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
