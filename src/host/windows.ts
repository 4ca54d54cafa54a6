import type { Platform } from '../oci/platform/platform.ts';
import { ranker } from '../oci/platform/matching.ts';
import type { HostFacts } from './host-facts.ts';
import { ENGINE_COMMANDS } from './macos.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/**
 * Determines whether a Windows host can run an image. Process isolation requires a compatible Windows version
 * (containerd/platforms platform_windows_compat.go); Hyper-V isolation also runs images for older versions. Linux
 * containers run in WSL 2 or a virtual machine.
 */
export function runsOnWindows({ architecture, version = '' }: HostFacts, platform: Platform): Runs {
  if (platform.os === 'linux') {
    const reason =
      'Linux images run in WSL 2 or in the virtual machine of a container engine, which mlist cannot inspect';
    return { verdict: 'unknown', reason, next: ENGINE_COMMANDS };
  }
  if (platform.os !== 'windows') return otherSystem('Windows', platform);
  if (platform.architecture !== architecture) return otherMachine(architecture, platform);
  const required = platform['os.version'] ?? '';
  const host: Platform = { os: 'windows', architecture, ...(version === '' ? {} : { 'os.version': version }) };
  // The host's os.features are unknown, so the image's os.features are ignored.
  if (ranker(host)({ ...platform, 'os.features': [] }) !== undefined) {
    return nativeVerdict(required === '' ? 'built for any Windows version' : `Windows ${version} runs ${required}`);
  }
  if (isNewer(required, version)) {
    return {
      verdict: 'no',
      reason: `built for Windows ${required}, which is newer than this host (${version})`,
      next: [],
    };
  }
  const reason = `Windows ${version} runs ${required} only with Hyper-V isolation, if the container engine supports it`;
  return { verdict: 'unknown', reason, next: ['docker run --isolation=hyperv IMAGE'] };
}

function isNewer(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.', 3).map(Number));
  const at = left?.findIndex((part, index) => part !== right?.[index]) ?? -1;
  return at >= 0 && (left?.[at] ?? 0) > (right?.[at] ?? 0);
}
