import { arch, platform, version as nodeVersion } from 'node:process';
import * as zlib from 'node:zlib';
import { commit, version } from '../../version.ts';

/** The facts about the program that a bug report should contain. */
export interface ProgramFacts {
  readonly version: string;
  /** The commit of the build; undefined if it is unknown. */
  readonly commit?: string | undefined;
  /** The version of Node, such as `v24.1.0`. */
  readonly node: string;
  /** Operating system and architecture in Node's terms, such as `linux/x64`. */
  readonly system: string;
  /** Always contains `compile-cache`, and `zstd` if this version of Node supports it. */
  readonly features: readonly string[];
}

export function aboutProgram(): ProgramFacts {
  const features = ['compile-cache', ...('createZstdCompress' in zlib ? ['zstd'] : [])];
  return { version, commit, node: nodeVersion, system: `${platform}/${arch}`, features };
}
