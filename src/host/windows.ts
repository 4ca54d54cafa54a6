import type { Platform } from '../oci/platform/platform.ts';
import { ranker } from '../oci/platform/matching.ts';
import type { HostFacts } from './host-facts.ts';
import { ASK_ENGINE } from './macos.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/**
 * Process isolation runs what fits the host's version (containerd/platforms platform_windows_compat.go); Hyper-V
 * isolation also runs older versions. Containers of Linux run in WSL 2 or a virtual machine.
 */
export function runsOnWindows({ architecture, version = '' }: HostFacts, platform: Platform): Runs {
  if (platform.os === 'linux') {
    const reason = 'it runs in WSL 2 or in the Linux machine of an engine, and only that can tell';
    return { verdict: 'unknown', reason, next: ASK_ENGINE };
  }
  if (platform.os !== 'windows') return otherSystem('Windows', platform);
  if (platform.architecture !== architecture) return otherMachine(architecture, platform);
  const wanted = platform['os.version'] ?? '';
  const host: Platform = { os: 'windows', architecture, ...(version === '' ? {} : { 'os.version': version }) };
  if (ranker(host)(withoutFeatures(platform)) !== undefined) {
    return nativeVerdict(wanted === '' ? 'made for Windows, of whatever version' : `Windows ${version} runs ${wanted}`);
  }
  if (isNewer(wanted, version)) {
    return { verdict: 'no', reason: `made for Windows ${wanted}, which is newer than this ${version}`, next: [] };
  }
  const reason = `Windows ${version} runs ${wanted} with Hyper-V isolation only, and only the engine knows whether it has that`;
  return { verdict: 'unknown', reason, next: ['docker run --isolation=hyperv IMAGE'] };
}

/** Whether a host has an image's features is not known here. */
function withoutFeatures(platform: Platform): Platform {
  return Object.fromEntries(Object.entries(platform).filter(([name]) => name !== 'os.features')) as unknown as Platform;
}

function isNewer(one: string, other: string): boolean {
  const [left, right] = [one, other].map((version) => version.split('.', 3).map(Number));
  const at = left?.findIndex((part, index) => part !== right?.[index]) ?? -1;
  return at >= 0 && (left?.[at] ?? 0) > (right?.[at] ?? 0);
}
