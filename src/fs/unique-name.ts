/** Sixteen hex digits that no other process is likely to make: for names of files that must not be there yet. No secret. */
export function uniqueName(): string {
  const part = () =>
    Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return part() + part();
}
