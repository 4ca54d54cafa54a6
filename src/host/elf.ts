/** The fields of the ELF header that depend on the architecture (System V ABI, "ELF Header"; numbers from elf.h). */
interface Machine {
  readonly bits: 32 | 64;
  /** Whether the byte order is big-endian. Default false. */
  readonly isBig?: boolean;
  /** The value of e_machine. */
  readonly number: number;
}

const machines: Readonly<Record<string, Machine>> = {
  '386': { bits: 32, number: 3 },
  amd64: { bits: 64, number: 62 },
  arm: { bits: 32, number: 40 },
  armbe: { bits: 32, isBig: true, number: 40 },
  arm64: { bits: 64, number: 183 },
  arm64be: { bits: 64, isBig: true, number: 183 },
  loong64: { bits: 64, number: 258 },
  mips: { bits: 32, isBig: true, number: 8 },
  mipsle: { bits: 32, number: 8 },
  mips64: { bits: 64, isBig: true, number: 8 },
  mips64le: { bits: 64, number: 8 },
  ppc: { bits: 32, isBig: true, number: 20 },
  ppc64: { bits: 64, isBig: true, number: 21 },
  ppc64le: { bits: 64, number: 21 },
  riscv: { bits: 32, number: 243 },
  riscv64: { bits: 64, number: 243 },
  s390: { bits: 32, isBig: true, number: 22 },
  s390x: { bits: 64, isBig: true, number: 22 },
  sparc: { bits: 32, isBig: true, number: 2 },
  sparc64: { bits: 64, isBig: true, number: 43 },
};

/** The values of e_type for programs: ET_EXEC, and ET_DYN for position-independent executables. */
const types = [2, 3] as const;

/**
 * Returns the ELF headers of programs for an architecture, one for each type of program. The kernel compares such
 * headers with the magic numbers of handlers.
 * @returns an empty array if the architecture is unknown or has no ELF programs
 */
export function elfHeaders(architecture: string): readonly Uint8Array[] {
  const machine = Object.hasOwn(machines, architecture) ? machines[architecture] : undefined;
  return machine === undefined ? [] : types.map((type) => elfHeader(machine, type));
}

function elfHeader({ bits, isBig = false, number }: Machine, type: number): Uint8Array {
  const header = Buffer.alloc(256);
  header.write('\x7fELF', 'latin1');
  header.set([bits === 64 ? 2 : 1, isBig ? 2 : 1, 1], 4);
  const put = (value: number, at: number) =>
    isBig ? header.writeUInt16BE(value, at) : header.writeUInt16LE(value, at);
  put(type, 16);
  put(number, 18);
  header[isBig ? 23 : 20] = 1;
  return header;
}
