import { normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import type { HostFacts } from './host-facts.ts';
import { runsOnLinux } from './linux.ts';
import { runsOnMac } from './macos.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';
import { runsOnWindows } from './windows.ts';

/** Determines whether, and how, a host can run an image for a platform. The result depends only on the arguments. */
export function runsOn(host: HostFacts, given: Platform): Runs {
  const platform = normalizePlatform(given);
  if (platform.architecture === 'wasm') {
    const reason = 'WebAssembly needs a runtime shim in the container engine, which mlist cannot detect';
    return { verdict: 'unknown', reason, next: ['docker info'] };
  }
  switch (host.os) {
    case 'linux':
      return runsOnLinux(host, platform);
    case 'windows':
      return runsOnWindows(host, platform);
    case 'darwin':
      return runsOnMac(host, platform);
    default:
      return runsElsewhere(host, platform);
  }
}

function runsElsewhere({ os, architecture }: HostFacts, platform: Platform): Runs {
  if (platform.os !== os) return otherSystem(os, platform);
  return platform.architecture === architecture ? nativeVerdict() : otherMachine(architecture, platform);
}
