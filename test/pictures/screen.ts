import { displayWidth } from '../../src/text/display-width.ts';

/** What a terminal shows, from the bytes that a program has written to it. */

export type Colour = 'red' | 'green' | 'yellow' | 'cyan';

export interface Look {
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly colour?: Colour | undefined;
}

export interface Cell {
  /** A character with its combining marks; empty for the second column of a wide character. */
  readonly text: string;
  readonly look: Look;
}

const colours: Readonly<Record<number, Colour>> = { 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan' };
const sequence = /\u001b\[([0-9;]*)([A-Za-z])|[\s\S]/gu;

/** The lines of the screen. @throws Error for an escape sequence that mlist does not use */
export function screenOf(written: string, columns: number): readonly (readonly Cell[])[] {
  const lines: Cell[][] = [[]];
  let [row, column] = [0, 0];
  let look: Look = {};
  const put = (text: string, width: number) => {
    if (column + width > columns) [row, column] = [row + 1, 0];
    const line = (lines[row] ??= []);
    while (line.length < column) line.push({ text: ' ', look: {} });
    if (width === 0) line[column - 1] = { text: (line[column - 1]?.text ?? '') + text, look };
    else line[column] = { text, look };
    if (width === 2) line[column + 1] = { text: '', look };
    column += width;
  };
  for (const [character, parameters, kind] of written.matchAll(sequence)) {
    if (character === '\r') column = 0;
    else if (character === '\n') [row, column] = [row + 1, 0];
    else if (kind === undefined) put(character, displayWidth(character));
    else if (kind === 'm') look = lookAfter(look, (parameters ?? '').split(';').map(Number));
    else if (kind === 'A') row = Math.max(0, row - Number(parameters));
    else if (kind === 'J') lines.splice(row, Infinity, (lines[row] ?? []).slice(0, column));
    else throw new Error(`unknown escape sequence ${JSON.stringify(character)}`);
  }
  while (lines.at(-1)?.length === 0) lines.pop();
  return Array.from(lines, (line: Cell[] | undefined) => line ?? []);
}

function lookAfter(look: Look, codes: readonly number[]): Look {
  return codes.reduce((before: Look, code): Look => {
    if (code === 0) return {};
    if (code === 1) return { ...before, bold: true };
    if (code === 2) return { ...before, dim: true };
    if (code === 22) return { colour: before.colour };
    if (code === 39) return { ...before, colour: undefined };
    const colour = colours[code];
    if (colour === undefined) throw new Error(`unknown style ${code}`);
    return { ...before, colour };
  }, look);
}
