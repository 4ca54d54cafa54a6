/** The ranges of characters that occupy two terminal columns: Unicode East Asian Width W and F, without emoji. */
const wideBlocks: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x20000, 0x3fffd],
];
const wideEmoji = /^\p{Emoji_Presentation}$/u;
/**
 * Characters without a width: combining marks, format characters, and the vowels and final consonants of Hangul
 * syllables.
 */
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;
const ascii = /^[\u0020-\u007e]*$/;

/** Returns the number of terminal columns that a string occupies. The string must not contain control characters. */
export function displayWidth(text: string): number {
  return ascii.test(text) ? text.length : Array.from(text, widthOf).reduce((sum, width) => sum + width, 0);
}

/** Pads a string with spaces to a number of columns. Returns a wider string unchanged. */
export function padToWidth(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const padding = ' '.repeat(Math.max(0, columns - displayWidth(text)));
  return align === 'left' ? text + padding : padding + text;
}

/**
 * Returns the longest prefix of a string that occupies at most this many columns. Does not separate a combining mark
 * from its base character.
 */
export function truncateToWidth(text: string, columns: number): string {
  if (text.length <= columns && ascii.test(text)) return text;
  let [length, used] = [0, 0];
  for (const character of text) {
    used += widthOf(character);
    if (used > columns) break;
    length += character.length;
  }
  return text.slice(0, length);
}

/**
 * Breaks a string into lines of at most `columns` terminal columns (2 if `columns` is less): at a space if possible,
 * otherwise after a separator in a reference (such as `/`), otherwise anywhere.
 */
export function wrapToWidth(text: string, columns: number): readonly string[] {
  const width = Math.max(2, columns);
  const lines: string[] = [];
  let rest = text;
  while (displayWidth(rest) > width) {
    const line = truncateToWidth(rest, width);
    const cut = rest[line.length] === ' ' ? line.length : breakIn(line);
    lines.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  return rest === '' && lines.length > 0 ? lines : [...lines, rest];
}

/**
 * Returns the position in a full line at which the next line begins. Does not break in the first third of the line,
 * because this would waste too much space.
 */
function breakIn(line: string): number {
  const space = line.lastIndexOf(' ') + 1;
  const separator = Math.max(...['/', ',', '@'].map((character) => line.lastIndexOf(character) + 1));
  return [space, separator].find((at) => at > line.length / 3) ?? line.length;
}

function widthOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x300) return point === 0xad ? 0 : 1;
  if (zeroWidth.test(character)) return 0;
  return wideEmoji.test(character) || wideBlocks.some(([first, last]) => point >= first && point <= last) ? 2 : 1;
}
