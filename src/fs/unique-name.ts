/** Returns sixteen random hex digits for names of new files. They are predictable, so never use them as secrets. */
export function uniqueName(): string {
  const part = () =>
    Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return part() + part();
}
