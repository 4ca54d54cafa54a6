const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Formats a number of bytes, such as `12.3 MiB` or `512 B`. */
export function byteSize(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${step === 0 ? String(bytes) : (bytes / 1024 ** step).toFixed(1)} ${units[step] ?? ''}`;
}

/** Formats a number with its noun, such as `1 blob` or `2 blobs`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
