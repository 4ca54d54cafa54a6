import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** Whether a host can run an image, and how. */
export interface Runs {
  /**
   * `native`: without emulation. `emulated`: by a handler for programs of other architectures. `no`: the host cannot
   * run the image. `unknown`: it depends on facts that mlist cannot see, for example in an engine's virtual machine.
   */
  readonly verdict: 'native' | 'emulated' | 'no' | 'unknown';
  /** The reason for the verdict, without a period at the end. */
  readonly reason: string;
  /** The handler that emulates the architecture, for the verdict `emulated`. */
  readonly handler?: RunBy;
  /** Commands that let the host run the image, or that show whether it can. Usually, one of them is enough. */
  readonly next: readonly string[];
}

export interface RunBy {
  readonly name: string;
  readonly interpreter: string;
  /** Flags of the registration: any of P, O, C, F. */
  readonly flags: string;
  /** Whether the handler works even if the image does not contain the interpreter, as with flag F. */
  readonly isFixed: boolean;
}

export function nativeVerdict(reason = 'built for this host'): Runs {
  return { verdict: 'native', reason, next: [] };
}

export function otherSystem(host: string, { os }: Platform): Runs {
  return { verdict: 'no', reason: `${host} does not run ${os} programs`, next: [] };
}

export function otherMachine(architecture: string, platform: Platform): Runs {
  const reason = `exec format error: this ${architecture} host cannot run ${formatPlatform(platform)}`;
  return { verdict: 'no', reason, next: [] };
}
