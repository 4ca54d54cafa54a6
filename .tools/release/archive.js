// Writes archives whose bytes depend only on their content: no times, no owners, files in the given order.
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

/**
 * @param files each with `name`, `content` (a Buffer) and `executable` (default: false)
 * @returns a gzip-compressed tar (ustar) as a Buffer
 */
export function tarGz(files) {
  const blocks = files.flatMap(({ name, content, executable = false }) => [
    tarHeader(name, content.length, executable ? 0o755 : 0o644),
    content,
    Buffer.alloc(-content.length & 511),
  ]);
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 9 });
}

function tarHeader(name, size, mode) {
  if (Buffer.byteLength(name) > 100) throw new Error(`the name is too long for this tar: ${name}`);
  const header = Buffer.alloc(512);
  const octal = (value, at, length) => header.write(value.toString(8).padStart(length - 1, '0'), at);
  header.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write('        0', 148);
  header.write('ustar\x0000', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  header[154] = 0;
  return header;
}

// 1 January 1980, the first date that a zip can express.
const ZIP_DATE = 0x21;
const DEFLATE = 8;

/**
 * @param files each with `name` and `content` (a Buffer)
 * @returns a zip as a Buffer
 */
export function zip(files) {
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const { name, content } of files) {
    const packed = deflateRawSync(content, { level: 9 });
    const fields = Buffer.alloc(26);
    [20, 0, DEFLATE, 0, ZIP_DATE].forEach((value, index) => fields.writeUInt16LE(value, index * 2));
    [crc32(content), packed.length, content.length].forEach((value, index) =>
      fields.writeUInt32LE(value, 10 + index * 4),
    );
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const [encoded, place] = [Buffer.from(name), Buffer.alloc(14)];
    place.writeUInt32LE(offset, 10);
    parts.push(Buffer.from('PK\x03\x04'), fields, encoded, packed);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), fields, place, encoded);
    offset += 4 + fields.length + encoded.length + packed.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, entries, end]);
}
