import type { Platform } from '../oci/platform/platform.ts';
import type { HostFacts } from './host-facts.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/** Where containers run in a virtual machine of an engine, that machine's own handlers decide. */
export const ASK_ENGINE: readonly string[] = [
  'docker buildx inspect --bootstrap',
  "podman machine ssh 'ls /proc/sys/fs/binfmt_misc'",
];

/** macOS has no containers of its own: those of Linux run in a virtual machine. Rosetta 2 is for programs of macOS. */
export function runsOnMac({ architecture }: HostFacts, platform: Platform): Runs {
  if (platform.os === 'linux') {
    const how = platform.architecture === architecture ? ', though an engine has one for this CPU as a rule' : '';
    const reason = `it runs in the Linux machine of an engine, and only that can tell${how}`;
    return { verdict: 'unknown', reason, next: ASK_ENGINE };
  }
  if (platform.os !== 'darwin') return otherSystem('macOS', platform);
  if (platform.architecture === architecture) return nativeVerdict();
  if (architecture !== 'arm64' || platform.architecture !== 'amd64') return otherMachine(architecture, platform);
  return {
    verdict: 'emulated',
    reason: 'Rosetta 2 runs programs for amd64, where it is installed',
    handler: { name: 'Rosetta 2', interpreter: '/Library/Apple/usr/libexec/oah', flags: '', isFixed: true },
    next: ['softwareupdate --install-rosetta'],
  };
}
