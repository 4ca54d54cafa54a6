import { byteSize } from '../../text/quantity.ts';

/** The rate is the average over this time. */
const WINDOW_MS = 10_000;
/** No rate is shown before this time, because it would not be reliable. */
const MIN_MS = 1_000;

interface Sample {
  readonly time: number;
  readonly bytes: number;
}

/** The rate of a transfer in the last seconds, and the estimated remaining time. */
export class TransferRate {
  #samples: Sample[] = [];
  #started: number | undefined;

  /** Starts the measurement. Later calls have no effect. */
  start(time: number): void {
    this.#started ??= time;
  }

  /**
   * Adds progress.
   * @param bytes - the bytes since the last call. A negative number, because a blob starts again, is ignored
   */
  add(time: number, bytes: number): void {
    if (bytes <= 0) return;
    this.#samples = this.#samples.filter((sample) => sample.time >= time - WINDOW_MS);
    const last = this.#samples.at(-1);
    // There may be many chunks per second, so the chunks of a tenth of a second are combined.
    if (last !== undefined && time - last.time < WINDOW_MS / 100)
      this.#samples[this.#samples.length - 1] = { time: last.time, bytes: last.bytes + bytes };
    else this.#samples.push({ time, bytes });
  }

  /** The end of the progress line: `, 5.0 MiB/s, 12 s left`. Empty while the rate is unknown. */
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
