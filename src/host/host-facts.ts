import type { Platform } from '../oci/platform/platform.ts';

/** What is known of the machine, as far as running images goes. All of it is passed in where it is judged. */
export interface HostFacts {
  /** Go's names, as images state them. */
  readonly os: string;
  readonly architecture: string;
  /** Of a 32-bit ARM CPU: `v7`. */
  readonly variant?: string;
  /** What the CPU can do: `v3` for amd64, `v8.2` for arm64; not there where nobody says. */
  readonly level?: string;
  /** Of Windows: `10.0.20348`. */
  readonly version?: string;
  /** Whether the kernel also runs 32-bit programs of the same family; not there where nobody says. */
  readonly runs32Bit?: boolean;
  /** The process is in a container, which may hide what the machine has. */
  readonly inContainer: boolean;
  /** Linux: programs for other machines, and who runs them. */
  readonly binfmt?: Binfmt;
}

/** What containers on the machine run as: they are of Linux whatever system is around them. */
export function ownPlatform({ architecture, variant }: HostFacts): Platform {
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** What /proc/sys/fs/binfmt_misc says (Linux, Documentation/admin-guide/binfmt-misc.rst). */
export interface Binfmt {
  /** absent: the folder is empty or not there; the kernel may have handlers all the same. */
  readonly state: 'enabled' | 'disabled' | 'absent';
  /** Those that go by the beginning of a file, not by its name. */
  readonly handlers: readonly Handler[];
}

/** A program that runs files which begin with certain bytes. */
export interface Handler {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly interpreter: string;
  /** Whether the machine has the interpreter; of no matter with flag F. Not there where nobody looked. */
  readonly hasInterpreter?: boolean;
  /** P: keeps argv[0]. O: passes the open file. C: takes the file's credentials. F: see `isFixed`. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Uint8Array;
  /** As long as the magic; bits that are 0 do not matter. Not there where all do. */
  readonly mask?: Uint8Array;
}

/** Flag F: the interpreter was opened when it was registered, so that it also runs files of containers. */
export function isFixed({ flags }: Handler): boolean {
  return flags.includes('F');
}
