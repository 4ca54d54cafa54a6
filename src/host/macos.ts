import type { Platform } from '../oci/platform/platform.ts';
import type { HostFacts } from './host-facts.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/** Commands that show what the virtual machine of a container engine can run. */
export const ENGINE_COMMANDS: readonly string[] = [
  'docker buildx inspect --bootstrap',
  "podman machine ssh 'ls /proc/sys/fs/binfmt_misc'",
];

/**
 * Determines whether a Mac can run an image. Linux containers run in a virtual machine, because the macOS kernel cannot
 * run them. On macOS itself, Rosetta 2 runs only macOS programs.
 */
export function runsOnMac({ architecture }: HostFacts, platform: Platform): Runs {
  if (platform.os === 'linux') {
    const note = platform.architecture === architecture ? '; images for this architecture usually run there' : '';
    const reason = `Linux images run in the virtual machine of a container engine, which mlist cannot inspect${note}`;
    return { verdict: 'unknown', reason, next: ENGINE_COMMANDS };
  }
  if (platform.os !== 'darwin') return otherSystem('macOS', platform);
  if (platform.architecture === architecture) return nativeVerdict();
  if (architecture !== 'arm64' || platform.architecture !== 'amd64') return otherMachine(architecture, platform);
  return {
    verdict: 'emulated',
    reason: 'Rosetta 2 runs amd64 programs if it is installed',
    handler: { name: 'Rosetta 2', interpreter: '/Library/Apple/usr/libexec/oah', flags: '', isFixed: true },
    next: ['softwareupdate --install-rosetta'],
  };
}
