import { formatPlatform, type Platform } from '../oci/platform/platform.ts';
import { ranker } from '../oci/platform/matching.ts';
import { matchesHandler } from './binfmt.ts';
import { elfHeaders } from './elf.ts';
import { isFixed, type Binfmt, type Handler, type HostFacts } from './host-facts.ts';
import { enableAll, enableHandler, installEmulator, replaceHandler } from './install-emulator.ts';
import { nativeVerdict, otherMachine, otherSystem, type Runs } from './run-verdict.ts';

/**
 * Linux asks the handlers of binfmt_misc first, then its own loader of ELF (fs/binfmt_misc.c, `insert_binfmt`). Which
 * handlers take programs for an architecture is decided by their beginning, as the kernel does, never by a name.
 * @param platform - normalised
 */
export function runsOnLinux(host: HostFacts, platform: Platform): Runs {
  if (platform.os !== 'linux') return otherSystem('Linux', platform);
  const { state = 'absent', handlers = [] } = host.binfmt ?? {};
  const fitting = handlersFor(platform.architecture, handlers);
  const [handler, ...others] = state === 'enabled' ? enabledOf(fitting) : [];
  if (handler !== undefined) return emulated(handler, others, platform);
  return ownLoader(host, platform) ?? withoutHandler(host, platform, fitting);
}

function handlersFor(architecture: string, handlers: readonly Handler[]): readonly Handler[] {
  const headers = elfHeaders(architecture);
  return handlers.filter((handler) => headers.some((header) => matchesHandler(handler, header)));
}

/** Of several the kernel takes the one registered last, which nobody can see: one that works everywhere comes first. */
function enabledOf(handlers: readonly Handler[]): readonly Handler[] {
  const enabled = handlers.filter(({ isEnabled }) => isEnabled);
  return [...enabled.filter(isFixed), ...enabled.filter((handler) => !isFixed(handler))];
}

function emulated(handler: Handler, others: readonly Handler[], platform: Platform): Runs {
  const { name, interpreter, flags, hasInterpreter } = handler;
  const fixed = isFixed(handler);
  const missing = hasInterpreter === false ? ' (this machine lacks it too)' : '';
  const last = others.length === 0 ? '' : `, or ${others.map((one) => one.name).join(', ')}, if registered later`;
  const doubt =
    platform.variant === undefined || platform.architecture === 'arm'
      ? ''
      : `; whether it knows all that ${platform.variant} asks for is not known`;
  return {
    verdict: 'emulated',
    reason: fixed
      ? `${name} runs it (flag F: in containers too)${last}${doubt}`
      : `${name} runs it only if ${interpreter} is inside the image${missing}, since it is registered without flag F${last}${doubt}`,
    handler: { name, interpreter, flags, isFixed: fixed },
    next: fixed ? [] : replaceHandler(name, platform.architecture),
  };
}

/** What the kernel runs without anybody's help; undefined where it does not. */
function ownLoader(host: HostFacts, platform: Platform): Runs | undefined {
  const { architecture, variant } = platform;
  if (architecture === host.architecture) return ownArchitecture(host, platform);
  if (host.architecture === 'amd64' && architecture === '386') {
    if (host.runs32Bit === true) return nativeVerdict('the kernel runs 32-bit programs too');
    if (host.runs32Bit === false) return undefined;
    const reason = 'the CPU runs 32-bit programs; whether the kernel does is not to be seen (CONFIG_IA32_EMULATION)';
    return { verdict: 'unknown', reason, next: installEmulator(architecture) };
  }
  if (host.architecture === 'arm64' && architecture === 'arm' && host.runs32Bit !== false) {
    const reason = `only where the CPU and the kernel have 32-bit mode, for ${variant ?? 'arm'} as for all of arm: "lscpu" then says 32-bit, 64-bit`;
    return { verdict: 'unknown', reason, next: ['lscpu', ...installEmulator(architecture)] };
  }
  return undefined;
}

function ownArchitecture(host: HostFacts, platform: Platform): Runs {
  const { variant } = platform;
  const own = host.variant ?? host.level;
  const machine = { os: 'linux', architecture: host.architecture };
  const runs = ranker(own === undefined ? machine : { ...machine, variant: own });
  if (runs({ ...platform, 'os.features': [] }) !== undefined) return nativeVerdict();
  const name = formatPlatform({ ...platform });
  if (own === undefined) {
    const reason = `made for this architecture; whether the CPU is ${variant ?? ''} cannot be seen`;
    return { verdict: 'unknown', reason, next: [] };
  }
  const reason = `the CPU is ${host.architecture}/${own}, and lacks what ${name} asks for`;
  return { verdict: 'no', reason, next: [] };
}

/** Why nobody runs it, and what would help. */
function withoutHandler(host: HostFacts, platform: Platform, fitting: readonly Handler[]): Runs {
  const { architecture } = platform;
  const state: Binfmt['state'] = host.binfmt?.state ?? 'absent';
  const no = otherMachine(host.architecture, platform);
  if (state === 'absent') {
    if (host.inContainer) {
      const reason = 'no handler can be seen from inside this container: look on the machine itself';
      return { verdict: 'unknown', reason, next: ['ls /proc/sys/fs/binfmt_misc', ...installEmulator(architecture)] };
    }
    const reason = `${no.reason}: binfmt_misc is not mounted, so that no handler can be seen`;
    return { ...no, reason, next: installEmulator(architecture) };
  }
  const [off] = fitting;
  if (state === 'disabled') {
    const next = [enableAll, ...(off === undefined ? installEmulator(architecture) : [])];
    return { ...no, reason: `${no.reason}: binfmt_misc is switched off`, next };
  }
  if (off !== undefined) {
    return { ...no, reason: `${no.reason}: the handler ${off.name} is switched off`, next: [enableHandler(off.name)] };
  }
  return { ...no, next: installEmulator(architecture) };
}
