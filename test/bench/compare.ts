import type { Measured } from './command.ts';
import { median, print, turned } from './measure.ts';

/** One run of a tool. */
export interface Sample extends Measured {
  readonly requests?: number;
  /** Such as `1 HTTP/2`. */
  readonly connections?: string;
}

export interface Compared<T extends Sample = Sample> {
  /** By tool. */
  readonly samples: ReadonlyMap<string, readonly T[]>;
  /** The error of each tool that failed. Its samples are incomplete. */
  readonly failures: ReadonlyMap<string, string>;
}

/** Runs all tools in each round, in rotated order. The first round is a warm-up and is not counted. */
export async function compare<T extends Sample>(
  names: readonly string[],
  rounds: number,
  measure: (name: string, round: number) => Promise<T>,
): Promise<Compared<T>> {
  const samples = new Map<string, T[]>(names.map((name) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of turned(names, round)) {
      if (failures.has(name)) continue;
      try {
        const sample = await measure(name, round);
        if (round > 0) samples.get(name)?.push(sample);
      } catch (thrown) {
        failures.set(name, thrown instanceof Error ? thrown.message : String(thrown));
      }
    }
  }
  return { samples, failures };
}

export type Column<T extends Sample = Sample> = readonly [
  title: string,
  text: (samples: readonly T[], name: string) => string,
];

export const medianOf = (samples: readonly Sample[], value: (sample: Sample) => number): number =>
  median(samples.map(value));

export const wallOf = (samples: readonly Sample[]): number => medianOf(samples, ({ milliseconds }) => milliseconds);
export const cpuOf = (samples: readonly Sample[]): number =>
  medianOf(samples, ({ cpuMilliseconds }) => cpuMilliseconds);
/** For short programs, whose CPU time is only known in steps of 10 ms. */
export const meanCpuOf = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { cpuMilliseconds }) => sum + cpuMilliseconds, 0) / samples.length;
export const peakOf = (samples: readonly Sample[]): number => medianOf(samples, ({ peakMib }) => peakMib);

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;

export const wall: Column = ['wall', (samples) => seconds(wallOf(samples))];
export const cpu: Column = ['CPU', (samples) => seconds(cpuOf(samples))];
export const peak: Column = ['peak memory', (samples) => `${peakOf(samples).toFixed(0)} MiB`];
export const requests: Column = [
  'requests',
  (samples) => medianOf(samples, (sample) => sample.requests ?? 0).toFixed(0),
];
export const connections: Column = [
  'connections',
  (samples) => {
    const sorted = samples.map((sample) => sample.connections ?? '').sort();
    return sorted[Math.floor(sorted.length / 2)] ?? '';
  },
];

/** A column with the ratio of a median to that of another tool; empty if the other tool is missing. */
export function ratio(
  what: string,
  to: string,
  { samples }: Compared,
  of: (samples: readonly Sample[]) => number = wallOf,
): Column {
  const base = samples.get(to) ?? [];
  return [`${what} / ${to}`, (own) => (base.length === 0 ? '' : (of(own) / of(base)).toFixed(2))];
}

/** Prints the results as a Markdown table, which docs/benchmarks.md contains. */
export function printTable<T extends Sample>(
  first: string,
  { samples, failures }: Compared<T>,
  columns: readonly Column<T>[],
): void {
  const rows = [...samples].filter(([name]) => !failures.has(name));
  const cells = [
    [first, ...columns.map(([title]) => title)],
    ...rows.map(([name, own]) => [name, ...columns.map(([, text]) => text(own, name))]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  print(line(head));
  print(line(widths.map((width) => '-'.repeat(width))));
  for (const row of body) print(line(row));
  for (const [name, message] of failures) print(`\n- ${name} failed: ${message}`);
}
