import type { Platform } from '../oci/platform/platform.ts';

/** The facts about a host that determine which images it can run. */
export interface HostFacts {
  /** The operating system. Like `architecture`, it is spelled as in Go. */
  readonly os: string;
  readonly architecture: string;
  /** Variant of a 32-bit ARM CPU, such as `v7`. */
  readonly variant?: string;
  /** Level of the CPU, such as `v3` for amd64 or `v8.2` for arm64. Absent if unknown. */
  readonly level?: string;
  /** Windows version, such as `10.0.20348`. */
  readonly version?: string;
  /** Whether the host also runs 32-bit programs, such as 386 programs on amd64. Absent if unknown. */
  readonly runs32Bit?: boolean;
  /** Whether this process runs in a container, which may hide facts about the host. */
  readonly inContainer: boolean;
  /** Linux only: the handlers for programs of other architectures. */
  readonly binfmt?: Binfmt;
}

/** Returns the platform of Linux containers on the host. macOS and Windows run them in a virtual machine. */
export function ownPlatform({ architecture, variant }: HostFacts): Platform {
  return { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The content of /proc/sys/fs/binfmt_misc (Linux, Documentation/admin-guide/binfmt-misc.rst). */
export interface Binfmt {
  /** `absent`: the folder is empty or missing, as in most containers. The kernel may still have handlers. */
  readonly state: 'enabled' | 'disabled' | 'absent';
  /** The handlers that match a magic number. Handlers for file name extensions are omitted. */
  readonly handlers: readonly Handler[];
}

/** A registered interpreter for files that contain a certain magic number. */
export interface Handler {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly interpreter: string;
  /**
   * Whether the interpreter exists on the host. This is irrelevant for a handler with flag F. Absent if it was not
   * checked.
   */
  readonly hasInterpreter?: boolean;
  /** P: preserve argv[0]. O: pass the open file. C: use the credentials of the file. F: see `isFixed`. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Uint8Array;
  /** Selects the bits of the magic number that are compared. Absent if all bits are compared. */
  readonly mask?: Uint8Array;
}

/**
 * Whether a handler has flag F: the kernel opened the interpreter at registration, so the handler also works in
 * containers without the interpreter.
 */
export function isFixed({ flags }: Handler): boolean {
  return flags.includes('F');
}
