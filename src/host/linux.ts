import { formatPlatform, type Platform } from '../oci/platform/platform.ts';
import { ranker } from '../oci/platform/matching.ts';
import { matchesHandler } from './binfmt.ts';
import { elfHeaders } from './elf.ts';
import { isFixed, type Binfmt, type Handler, type HostFacts } from './host-facts.ts';
import { enableAll, enableHandler, installEmulator, replaceHandler } from './install-emulator.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/**
 * Determines whether a Linux host can run an image. Linux tries the handlers of binfmt_misc before its own ELF loader
 * (fs/binfmt_misc.c, `insert_binfmt`). As in the kernel, handlers are found by comparing their magic numbers with
 * the ELF headers of programs for the architecture. The names of handlers are irrelevant.
 * @param platform - must be normalised
 */
export function runsOnLinux(host: HostFacts, platform: Platform): Runs {
  if (platform.os !== 'linux') return otherSystem('Linux', platform);
  const { state = 'absent', handlers = [] } = host.binfmt ?? {};
  const matching = handlersFor(platform.architecture, handlers);
  const [handler, ...others] = state === 'enabled' ? enabledOf(matching) : [];
  if (handler !== undefined) return emulated(handler, others, platform);
  return byKernel(host, platform) ?? withoutHandler(host, platform, matching);
}

function handlersFor(architecture: string, handlers: readonly Handler[]): readonly Handler[] {
  const headers = elfHeaders(architecture);
  return handlers.filter((handler) => headers.some((header) => matchesHandler(handler, header)));
}

/**
 * Returns the enabled handlers, the ones with flag F first. The kernel uses the handler that was registered last, but
 * does not show the order of registration.
 */
function enabledOf(handlers: readonly Handler[]): readonly Handler[] {
  const enabled = handlers.filter(({ isEnabled }) => isEnabled);
  return [...enabled.filter(isFixed), ...enabled.filter((handler) => !isFixed(handler))];
}

function emulated(handler: Handler, others: readonly Handler[], platform: Platform): Runs {
  const { name, interpreter, flags, hasInterpreter } = handler;
  const fixed = isFixed(handler);
  const missing = hasInterpreter === false ? ' (which is not installed on this host either)' : '';
  const alternatives =
    others.length === 0 ? '' : ` (or ${others.map((one) => one.name).join(', ')}, if it was registered later)`;
  const uncertainty =
    platform.variant === undefined || platform.architecture === 'arm'
      ? ''
      : `; whether it supports all features of ${platform.variant} is unknown`;
  return {
    verdict: 'emulated',
    reason: fixed
      ? `${name}${alternatives} runs it (flag F: also in containers)${uncertainty}`
      : `${name}${alternatives} runs it only if the image contains ${interpreter}${missing}, because the handler was registered without flag F${uncertainty}`,
    handler: { name, interpreter, flags, isFixed: fixed },
    next: fixed ? [] : replaceHandler(name, platform.architecture),
  };
}

/**
 * Returns the verdict for programs that need no handler: programs for the host's architecture, and 32-bit programs that
 * the kernel runs or might run. Otherwise, returns undefined.
 */
function byKernel(host: HostFacts, platform: Platform): Runs | undefined {
  const { architecture } = platform;
  if (architecture === host.architecture) return sameArchitecture(host, platform);
  if (host.architecture === 'amd64' && architecture === '386') {
    if (host.runs32Bit === true) return nativeVerdict('the kernel also runs 32-bit programs');
    if (host.runs32Bit === false) return undefined;
    const reason = 'the CPU runs 32-bit programs; whether the kernel does is unknown (CONFIG_IA32_EMULATION)';
    return { verdict: 'unknown', reason, next: installEmulator(architecture) };
  }
  if (host.architecture === 'arm64' && architecture === 'arm' && host.runs32Bit !== false) {
    const reason = 'it runs if the CPU and the kernel support 32-bit mode, that is, if "lscpu" prints "32-bit, 64-bit"';
    return { verdict: 'unknown', reason, next: ['lscpu', ...installEmulator(architecture)] };
  }
  return undefined;
}

function sameArchitecture(host: HostFacts, platform: Platform): Runs {
  const { variant } = platform;
  const own = host.variant ?? host.level;
  const machine = { os: 'linux', architecture: host.architecture };
  const runs = ranker(own === undefined ? machine : { ...machine, variant: own });
  if (runs({ ...platform, 'os.features': [] }) !== undefined) return nativeVerdict();
  const name = formatPlatform(platform);
  if (own === undefined) {
    const reason = `built for this architecture; whether the CPU supports ${variant ?? ''} is unknown`;
    return { verdict: 'unknown', reason, next: [] };
  }
  const reason = `the CPU is ${host.architecture}/${own}, which cannot run ${name}`;
  return { verdict: 'no', reason, next: [] };
}

/** Returns the verdict for programs that need a handler, if no matching handler is enabled. */
function withoutHandler(host: HostFacts, platform: Platform, matching: readonly Handler[]): Runs {
  const { architecture } = platform;
  const state: Binfmt['state'] = host.binfmt?.state ?? 'absent';
  const no = otherMachine(host.architecture, platform);
  if (state === 'absent') {
    if (host.inContainer) {
      const reason = 'the handlers of the host are not visible in this container: check on the host';
      return { verdict: 'unknown', reason, next: ['ls /proc/sys/fs/binfmt_misc', ...installEmulator(architecture)] };
    }
    const reason = `${no.reason}: binfmt_misc is not mounted, so its handlers are not visible`;
    return { ...no, reason, next: installEmulator(architecture) };
  }
  const [disabled] = matching;
  if (state === 'disabled') {
    const next = [enableAll, ...(disabled === undefined ? installEmulator(architecture) : [])];
    return { ...no, reason: `${no.reason}: binfmt_misc is disabled`, next };
  }
  if (disabled !== undefined) {
    const reason = `${no.reason}: the handler ${disabled.name} is disabled`;
    return { ...no, reason, next: [enableHandler(disabled.name)] };
  }
  return { ...no, next: installEmulator(architecture) };
}
