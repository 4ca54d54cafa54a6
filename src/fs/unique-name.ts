/** Sixteen random hex digits, for names of new files. They are predictable, so they must not be used as secrets. */
export function uniqueName(): string {
  const part = () =>
    Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return part() + part();
}
