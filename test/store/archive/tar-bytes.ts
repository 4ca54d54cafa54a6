/** Builds tar archives byte by byte, so that the reader is tested without the writer of mlist. */

export interface Member {
  readonly name: string;
  /** One character; default `0`, a file. */
  readonly type?: string;
  readonly content?: Uint8Array | string;
  readonly link?: string;
  /** Value of the size field. Default: the length of the content. */
  readonly size?: number | Uint8Array;
  readonly prefix?: string;
  readonly magic?: 'ustar' | 'gnu' | 'v7';
  /** Changes the header after its checksum was computed. */
  readonly damage?: (header: Buffer) => void;
}

export const BLOCK = 512;

export function headerOf(member: Member): Buffer {
  const { name, type = '0', link = '', prefix = '', magic = 'ustar' } = member;
  const content = Buffer.from(member.content ?? '');
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  const size = member.size ?? content.length;
  if (typeof size === 'number') header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  else header.set(size, 124);
  header.write('00000000000\0', 136);
  header.write(type, 156, 'latin1');
  header.write(link, 157, 100);
  if (magic === 'ustar') header.write('ustar\x0000', 257, 'latin1');
  if (magic === 'gnu') header.write('ustar  \0', 257, 'latin1');
  header.write(prefix, 345, 155);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  member.damage?.(header);
  return header;
}

export function memberBytes(member: Member): Buffer {
  const content = Buffer.from(member.content ?? '');
  return Buffer.concat([headerOf(member), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** An archive with end blocks. */
export function tarOf(...members: readonly Member[]): Buffer {
  return Buffer.concat([...members.map(memberBytes), Buffer.alloc(2 * BLOCK)]);
}

/** `LENGTH KEY=VALUE\n` for each. */
export function paxRecords(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest) + 1;
      while (String(length).length + Buffer.byteLength(rest) !== length) length += 1;
      return `${length}${rest}`;
    })
    .join('');
}

export function pax(records: Readonly<Record<string, string>>, type = 'x'): Member {
  return { name: 'pax', type, content: paxRecords(records) };
}
