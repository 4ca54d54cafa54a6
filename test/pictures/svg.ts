import type { Cell, Colour, Look } from './screen.ts';

/** Draws a screen as an SVG picture. It has no scripts and loads nothing, so that GitHub shows it. */

export type Theme = 'dark' | 'light';

interface Palette extends Readonly<Record<Colour, string>> {
  readonly background: string;
  readonly border: string;
  readonly text: string;
  readonly dim: string;
}

/** Contrast of at least 4.5:1 on the background. */
const palettes: Readonly<Record<Theme, Palette>> = {
  dark: {
    background: '#161b22',
    border: '#30363d',
    text: '#e6edf3',
    dim: '#9198a1',
    red: '#ff7b72',
    green: '#7ee787',
    yellow: '#e3b341',
    cyan: '#76e3ea',
  },
  light: {
    background: '#f6f8fa',
    border: '#d1d9e0',
    text: '#1f2328',
    dim: '#59636e',
    red: '#cf222e',
    green: '#116329',
    yellow: '#7d4e00',
    cyan: '#0b6b75',
  },
};

const CELL = { width: 8.4, height: 20 };
const PADDING = 16;
const FONT =
  "ui-monospace,SFMono-Regular,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono','Noto Sans Mono CJK SC',monospace";

export interface Picture {
  readonly title: string;
  readonly columns: number;
  readonly lines: readonly (readonly Cell[])[];
}

export function svgOf({ title, columns, lines }: Picture, theme: Theme): string {
  const palette = palettes[theme];
  const width = number(columns * CELL.width + 2 * PADDING);
  const height = lines.length * CELL.height + 2 * PADDING;
  const rows = lines.flatMap((line, row) => textOf(line, PADDING + row * CELL.height + 14.5, palette));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<rect x="0.5" y="0.5" width="${number(Number(width) - 1)}" height="${height - 1}" rx="8" fill="${palette.background}" stroke="${palette.border}"/>`,
    `<g font-family="${FONT}" font-size="14" fill="${palette.text}" xml:space="preserve">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

interface Run {
  readonly text: string;
  readonly look: Look;
  readonly start: number;
  readonly width: number;
}

function textOf(line: readonly Cell[], y: number, palette: Palette): readonly string[] {
  const runs = runsIn(line).filter(({ text }) => text.trim() !== '');
  if (runs.length === 0) return [];
  return [`<text y="${number(y)}">${runs.map((run) => spanOf(run, palette)).join('')}</text>`];
}

/** Each run states its place and its width, so that columns align in fonts of any width. */
function spanOf({ text, look, start, width }: Run, palette: Palette): string {
  const x = number(PADDING + start * CELL.width);
  const colour = look.colour === undefined ? (look.dim === true ? palette.dim : undefined) : palette[look.colour];
  const fill = colour === undefined ? '' : ` fill="${colour}"`;
  const weight = look.bold === true ? ' font-weight="bold"' : '';
  const length = number(width * CELL.width);
  return `<tspan x="${x}" textLength="${length}" lengthAdjust="spacingAndGlyphs"${fill}${weight}>${escapeXml(text)}</tspan>`;
}

/** Cells of the same look side by side. Two spaces end a run, and so do wide characters. */
function runsIn(line: readonly Cell[]): readonly Run[] {
  const runs: Run[] = [];
  for (const [at, { text, look }] of line.entries()) {
    const last = runs.at(-1);
    const isWide = line[at + 1]?.text === '';
    const continues = last !== undefined && sameLook(last.look, look) && !isWide && !last.text.endsWith('  ');
    if (text === '' && last !== undefined) runs[runs.length - 1] = { ...last, width: last.width + 1 };
    else if (continues) runs[runs.length - 1] = { ...last, text: last.text + text, width: last.width + 1 };
    else runs.push({ text, look, start: at, width: 1 });
  }
  return runs.map(trimmed);
}

function trimmed(run: Run): Run {
  const text = run.text.trimEnd();
  const before = text.length - text.trimStart().length;
  const width = run.width - (run.text.length - text.length) - before;
  return { ...run, text: text.trimStart(), start: run.start + before, width };
}

function sameLook(left: Look, right: Look): boolean {
  return left.bold === right.bold && left.dim === right.dim && left.colour === right.colour;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}
