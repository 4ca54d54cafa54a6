import type { ConfigurationPlaces } from '../../store/registry/mirrors/configuration-files.ts';

/** A configuration file that exists, a folder that cannot be read, or an environment variable with configuration. */
export interface FoundFile {
  /** The path of the file or folder, or the name of the variable. */
  readonly path: string;
  /** The reason if it cannot be used; otherwise undefined. */
  readonly problem?: string | undefined;
}

/** The facts that determine which files of this machine are examined. */
export interface DiagnosisOptions extends ConfigurationPlaces {
  readonly uid?: number | undefined;
  readonly cwd: string;
  /** The value of `--workspace`. */
  readonly workspace?: string | undefined;
  /** The value of `--authfile`. */
  readonly authFile?: string | undefined;
  readonly signal: AbortSignal;
}
