import { homedir } from 'node:os';
import { env, platform } from 'node:process';
import {
  registryConfiguration,
  type ConfigurationOptions,
  type RegistryConfiguration,
} from '../store/registry/mirrors/registry-configuration.ts';
import { checkOptions, isArrayOf, isFlag, isObject, isText, type Checks } from './option-checks.ts';

const checks: Checks<ConfigurationOptions> = {
  env: isObject,
  home: isText,
  platform: isText,
  systemFolder: isText,
  mirrors: isArrayOf(isText, 'a mirror'),
  readsFiles: isFlag,
};

/**
 * Returns the registry configuration of the user's container tools, with mirrors and blocked registries. It reads
 * `MLIST_MIRRORS`, `registries.conf` of Podman, Buildah and Skopeo, `hosts.toml` of containerd, and Docker's
 * `daemon.json`, in the order of docs/mirrors.md. Each file is read once, when it is first needed.
 * @param options - override the environment, home folder and platform of the process
 * @throws MlistError `ERR_MLIST_USAGE` if an option or `MLIST_MIRRORS` is invalid
 */
export function systemMirrors(options: Partial<ConfigurationOptions> = {}): RegistryConfiguration {
  checkOptions(options, checks);
  return registryConfiguration({ env, home: homedir(), platform, ...options });
}
