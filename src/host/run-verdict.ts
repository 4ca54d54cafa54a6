import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** Whether a machine runs an image, and how. */
export interface Runs {
  /**
   * native: by the machine itself. emulated: by a handler that takes programs of other machines. no: it does not.
   * unknown: only another can tell, such as the machine that the engine runs on.
   */
  readonly verdict: 'native' | 'emulated' | 'no' | 'unknown';
  /** One sentence without an end. */
  readonly reason: string;
  /** Who runs it, where it is emulated. */
  readonly handler?: RunBy;
  /** What to do so that it runs, or to find out: commands, each a way of its own. */
  readonly next: readonly string[];
}

export interface RunBy {
  readonly name: string;
  readonly interpreter: string;
  /** As registered: any of P, O, C, F. */
  readonly flags: string;
  /** Flag F: also in a container whose image lacks the interpreter. */
  readonly isFixed: boolean;
}

export function nativeVerdict(reason = 'made for this machine'): Runs {
  return { verdict: 'native', reason, next: [] };
}

export function otherSystem(host: string, { os }: Platform): Runs {
  return { verdict: 'no', reason: `${host} runs no programs of ${os}`, next: [] };
}

export function otherMachine(architecture: string, platform: Platform): Runs {
  const reason = `exec format error: this machine is ${architecture}, and nothing runs ${formatPlatform(platform)} on it`;
  return { verdict: 'no', reason, next: [] };
}
