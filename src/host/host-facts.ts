import type { Platform } from '../oci/platform/platform.ts';

/** The facts about a host that decide which images it can run. */
export interface HostFacts {
  /** `os` and `architecture` are Go's names, as in image configs. */
  readonly os: string;
  readonly architecture: string;
  /** Variant of a 32-bit ARM CPU, such as `v7`. */
  readonly variant?: string;
  /** Level of the CPU, such as `v3` for amd64 or `v8.2` for arm64. Absent if unknown. */
  readonly level?: string;
  /** Windows version, such as `10.0.20348`. */
  readonly version?: string;
  /** Whether the kernel also runs 32-bit programs of the same family. Absent if unknown. */
  readonly runs32Bit?: boolean;
  /** Whether this process runs in a container, which may hide facts about the host. */
  readonly inContainer: boolean;
  /** Linux only: the handlers for programs of other architectures. */
  readonly binfmt?: Binfmt;
}

/**
 * The platform of containers on the host. The os is always linux, because macOS and Windows run Linux containers in a
 * virtual machine.
 */
export function ownPlatform({ architecture, variant }: HostFacts): Platform {
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The content of /proc/sys/fs/binfmt_misc (Linux, Documentation/admin-guide/binfmt-misc.rst). */
export interface Binfmt {
  /** `absent`: the folder is empty or missing, as in most containers. The kernel may have handlers nevertheless. */
  readonly state: 'enabled' | 'disabled' | 'absent';
  /** The handlers that match a magic number. Those for file name extensions are omitted. */
  readonly handlers: readonly Handler[];
}

/** A registered interpreter for files with a magic number. */
export interface Handler {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly interpreter: string;
  /**
   * Whether the interpreter exists on the host, which is irrelevant for a handler with flag F. Absent if it was not
   * checked.
   */
  readonly hasInterpreter?: boolean;
  /** P: preserve argv[0]. O: pass the open file. C: use the credentials of the file. F: see `isFixed`. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Uint8Array;
  /** The bits of the magic number to compare, with the same length. Absent if all bits are compared. */
  readonly mask?: Uint8Array;
}

/**
 * Whether a handler has flag F: the kernel opened the interpreter at registration, so that it works in containers
 * without it.
 */
export function isFixed({ flags }: Handler): boolean {
  return flags.includes('F');
}
