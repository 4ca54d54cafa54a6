import { byteSize } from '../../text/quantity.ts';

/** The rate is averaged over this time. */
const WINDOW_MS = 10_000;
/** No rate is shown before this time has passed, because it would not be reliable. */
const MIN_MS = 1_000;

interface Sample {
  readonly time: number;
  readonly bytes: number;
}

/** Measures the rate of a transfer over the last seconds, and estimates the remaining time. */
export class TransferRate {
  #samples: Sample[] = [];
  #started: number | undefined;

  /** Starts the measurement. Later calls have no effect. */
  start(time: number): void {
    this.#started ??= time;
  }

  /**
   * Adds progress.
   * @param bytes - the bytes since the last call. A negative number is ignored; it means that the transfer of a blob
   *   has started again
   */
  add(time: number, bytes: number): void {
    if (bytes <= 0) return;
    this.#samples = this.#samples.filter((sample) => sample.time >= time - WINDOW_MS);
    const last = this.#samples.at(-1);
    // Chunks within 100 ms are combined in one sample, which limits the number of samples.
    if (last !== undefined && time - last.time < WINDOW_MS / 100)
      this.#samples[this.#samples.length - 1] = { time: last.time, bytes: last.bytes + bytes };
    else this.#samples.push({ time, bytes });
  }

  /** Returns the end of the progress line: `, 5.0 MiB/s, 12 s left`. Empty while the rate is unknown. */
  text(time: number, remaining: number): string {
    const duration = Math.min(WINDOW_MS, time - (this.#started ?? time));
    const recent = this.#samples.filter((sample) => sample.time >= time - WINDOW_MS);
    const bytes = recent.reduce((sum, sample) => sum + sample.bytes, 0);
    if (duration < MIN_MS || bytes === 0) return '';
    const perSecond = (bytes / duration) * 1000;
    return `, ${byteSize(Math.round(perSecond))}/s, ${timeText(Math.ceil(Math.max(0, remaining) / perSecond))} left`;
  }
}

function timeText(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
