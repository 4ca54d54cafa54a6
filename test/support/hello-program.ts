/** Assembles tiny programs for Linux that write a text and exit. They need no libraries. */

const machines = { amd64: 62, arm64: 183, arm: 40 } as const;
export type Machine = keyof typeof machines;

/** Address at which the file is loaded. */
const BASE = 0x10000;

export function helloProgram(machine: Machine, text: string): Buffer {
  const message = Buffer.from(text);
  const wide = machine !== 'arm';
  const headers = wide ? 64 + 56 : 52 + 32;
  const code = codeOf[machine](message.length);
  return Buffer.concat([headerOf(machine, headers, code.length + message.length), code, message]);
}

/** Machine code for `write(1, message, length); exit(0)`. The message follows the code. */
const codeOf: Readonly<Record<Machine, (length: number) => Buffer>> = {
  amd64: (length) => {
    const code = Buffer.from('b801000000bf01000000488d3500000000ba000000000f05b83c00000031ff0f05', 'hex');
    code.writeInt32LE(code.length - 17, 13);
    code.writeInt32LE(length, 18);
    return code;
  },
  // mov x0,#1; adr x1,message; mov x2,#length; mov x8,#64; svc #0; mov x0,#0; mov x8,#93; svc #0
  arm64: (length) =>
    words(
      0xd2800020,
      0x10000001 | (7 << 5),
      0xd2800002 | (length << 5),
      0xd2800808,
      0xd4000001,
      0xd2800000,
      0xd2800ba8,
      0xd4000001,
    ),
  // mov r0,#1; add r1,pc,#20; mov r2,#length; mov r7,#4; svc 0; mov r0,#0; mov r7,#1; svc 0
  arm: (length) =>
    words(0xe3a00001, 0xe28f1014, 0xe3a02000 | length, 0xe3a07004, 0xef000000, 0xe3a00000, 0xe3a07001, 0xef000000),
};

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32LE(value >>> 0, at * 4));
  return bytes;
}

/** The headers of an executable with one segment, which is the whole file. */
function headerOf(machine: Machine, headers: number, size: number): Buffer {
  const wide = machine !== 'arm';
  const bytes = Buffer.alloc(headers);
  let at = 0;
  const half = (value: number) => (at = bytes.writeUInt16LE(value, at));
  const word = (value: number) => (at = bytes.writeUInt32LE(value, at));
  const address = (value: number) => (at = wide ? bytes.writeBigUInt64LE(BigInt(value), at) : word(value));
  at = bytes.write(wide ? '7f454c46020101' : '7f454c46010101', 0, 'hex');
  at = 16;
  half(2);
  half(machines[machine]);
  word(1);
  address(BASE + headers);
  address(wide ? 64 : 52);
  address(0);
  // EABI version 5 for arm.
  word(wide ? 0 : 0x05000000);
  half(wide ? 64 : 52);
  half(wide ? 56 : 32);
  half(1);
  at = wide ? 64 : 52;
  const total = headers + size;
  const readable = 5;
  word(1);
  if (wide) word(readable);
  for (const value of [0, BASE, BASE, total, total]) address(value);
  if (!wide) word(readable);
  address(0x1000);
  return bytes;
}
