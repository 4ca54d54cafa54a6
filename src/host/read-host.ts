import { access, readdir, readFile } from 'node:fs/promises';
import { endianness, machine, release } from 'node:os';
import { join } from 'node:path';
import { openFiles } from '../fs/open-files.ts';
import { resolveArchitecture } from '../oci/platform/aliases.ts';
import { amd64Level, arm64Level, armVariant, isApple } from './cpu.ts';
import { parseHandler } from './binfmt.ts';
import type { Binfmt, HostFacts } from './host-facts.ts';

/** The sources of the facts about a host. Tests replace them. */
export interface HostSources {
  /** The operating system as Node names it, for example `win32`. Default: `process.platform`. */
  readonly platform?: NodeJS.Platform | undefined;
  /** The output of `uname -m`. Default: `os.machine()`. */
  readonly machine?: string | undefined;
  readonly endianness?: 'BE' | 'LE' | undefined;
  /** The output of `uname -r`; on Windows, the version. Default: `os.release()`. */
  readonly release?: string | undefined;
  /** The folder that contains `proc`, `run` and `.dockerenv`. Default: `/`. */
  readonly root?: string | undefined;
}

const systems: Readonly<Partial<Record<NodeJS.Platform, string>>> = { win32: 'windows', sunos: 'solaris' };

/** Reads the facts about this host. Facts that cannot be read are omitted; the function never fails. */
export async function readHost(sources: HostSources = {}): Promise<HostFacts> {
  const platform = sources.platform ?? process.platform;
  const parsed = parseMachine(sources.machine ?? machine());
  const architecture = withByteOrder(parsed.architecture, sources.endianness ?? endianness());
  const facts = { os: systems[platform] ?? platform, architecture };
  if (platform === 'win32') return { ...facts, version: sources.release ?? release(), inContainer: false };
  if (platform !== 'linux') return { ...facts, inContainer: false };
  return { ...facts, ...(await readLinux(sources.root ?? '/', architecture, parsed.variant)) };
}

/** Parses the output of `uname -m`. For 32-bit ARM, it contains the variant, as in `armv5tejl`. */
function parseMachine(name: string): { readonly architecture: string; readonly variant?: string | undefined } {
  const variant = /^armv([4-8])/.exec(name)?.[1];
  return variant === undefined ? resolveArchitecture(name) : { architecture: 'arm', variant: `v${variant}` };
}

/** Adds the byte order to the name of a MIPS architecture, because `uname -m` does not print it. */
function withByteOrder(architecture: string, order: 'BE' | 'LE'): string {
  return order === 'LE' && /^mips(?:64)?$/.test(architecture) ? `${architecture}le` : architecture;
}

type LinuxFacts = Omit<HostFacts, 'os' | 'architecture'>;

async function readLinux(root: string, architecture: string, machineVariant?: string): Promise<LinuxFacts> {
  const cpuinfo = (await textOf(join(root, 'proc/cpuinfo'))) ?? '';
  const variant = architecture === 'arm' ? (armVariant(cpuinfo) ?? machineVariant) : undefined;
  const level =
    architecture === 'amd64' ? amd64Level(cpuinfo) : architecture === 'arm64' ? arm64Level(cpuinfo) : undefined;
  const runs32Bit = await readRuns32Bit(root, architecture, cpuinfo);
  const markers = await Promise.all(['.dockerenv', 'run/.containerenv'].map((name) => exists(join(root, name))));
  return {
    ...(variant === undefined ? {} : { variant }),
    ...(level === undefined ? {} : { level }),
    ...(runs32Bit === undefined ? {} : { runs32Bit }),
    inContainer: markers.includes(true),
    binfmt: await readBinfmt(root),
  };
}

/**
 * Returns whether the host runs 32-bit programs, or undefined if this is unknown. An amd64 kernel that runs them has
 * the sysctl abi.vsyscall32 (arch/x86/entry/vdso/vdso32-setup.c).
 */
async function readRuns32Bit(root: string, architecture: string, cpuinfo: string): Promise<boolean | undefined> {
  if (architecture === 'arm64' && isApple(cpuinfo)) return false;
  if (architecture !== 'amd64') return undefined;
  const isOff = / ia32_emulation=(?:0|off|n|false)(?: |$)/.test(
    ` ${(await textOf(join(root, 'proc/cmdline'))) ?? ''}`.trimEnd(),
  );
  if (isOff) return false;
  return (await exists(join(root, 'proc/sys/abi/vsyscall32'))) ? true : undefined;
}

async function readBinfmt(root: string): Promise<Binfmt> {
  const folder = join(root, 'proc/sys/fs/binfmt_misc');
  const status = await textOf(join(folder, 'status'));
  if (status === undefined) return { state: 'absent', handlers: [] };
  const names = await readdir(folder).catch(() => []);
  const handlers = await Promise.all(
    names
      .filter((name) => name !== 'status' && name !== 'register')
      .sort()
      .map(async (name) => {
        const handler = parseHandler(name, (await textOf(join(folder, name))) ?? '');
        return handler && { ...handler, hasInterpreter: await exists(join(root, handler.interpreter)) };
      }),
  );
  return {
    state: status.trim() === 'disabled' ? 'disabled' : 'enabled',
    handlers: handlers.filter((handler) => handler !== undefined),
  };
}

async function textOf(path: string): Promise<string | undefined> {
  return openFiles.run(() => readFile(path, 'utf8')).catch(() => undefined);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
