import type { ConfigurationPlaces } from '../../store/registry/mirrors/configuration-files.ts';

/** A configuration file that exists. */
export interface FoundFile {
  readonly path: string;
  /** Why it cannot be used. */
  readonly problem?: string | undefined;
}

/** Where the configuration of a machine is found. */
export interface DiagnosisOptions extends ConfigurationPlaces {
  readonly uid?: number | undefined;
  readonly cwd: string;
  /** The value of `--workspace`. */
  readonly workspace?: string | undefined;
  /** The value of `--authfile`. */
  readonly authFile?: string | undefined;
  readonly signal: AbortSignal;
}
