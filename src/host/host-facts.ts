import type { Platform } from '../oci/platform/platform.ts';

/** The facts about a host that decide which images it can run. */
export interface HostFacts {
  /** `os` and `architecture` have Go's names, as in images. */
  readonly os: string;
  readonly architecture: string;
  /** Variant of a 32-bit ARM CPU, such as `v7`. */
  readonly variant?: string;
  /** Level of the CPU: such as `v3` for amd64 or `v8.2` for arm64. Absent if unknown. */
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

/** The platform of containers on the host. The os is linux on every host, because macOS and Windows run Linux containers in a VM. */
export function ownPlatform({ architecture, variant }: HostFacts): Platform {
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The content of /proc/sys/fs/binfmt_misc (Linux, Documentation/admin-guide/binfmt-misc.rst). */
export interface Binfmt {
  /** absent: the folder is empty or missing. The kernel may have handlers anyway. */
  readonly state: 'enabled' | 'disabled' | 'absent';
  /** Handlers that match a magic number. Those that match a file name extension are omitted. */
  readonly handlers: readonly Handler[];
}

/** A registered interpreter for files with a magic number. */
export interface Handler {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly interpreter: string;
  /** Whether the interpreter exists on the host; irrelevant with flag F. Absent if not checked. */
  readonly hasInterpreter?: boolean;
  /** P: preserve argv[0]. O: pass the open file. C: use the credentials of the file. F: see `isFixed`. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Uint8Array;
  /** As long as the magic number. Bits that are 0 are ignored. Absent if all bits are compared. */
  readonly mask?: Uint8Array;
}

/** Flag F: the kernel opened the interpreter at registration, so it also works in containers that lack it. */
export function isFixed({ flags }: Handler): boolean {
  return flags.includes('F');
}
