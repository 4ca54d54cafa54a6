// Registers the handlers that common tools register, each machine in a user namespace of its own, and writes what the
// kernel then shows of them as one JSON document: machine -> file -> text. Nothing of the machine is changed: the
// namespaces go with their processes. Needs Linux 6.7 or newer, unshare and mount:
//
//	node binfmt.js > ../binfmt-machines.json
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const misc = '/proc/sys/fs/binfmt_misc';

// The magics and masks of scripts/qemu-binfmt-conf.sh, as Debian 12 (QEMU 7.2) installs them.
const hex = (text) => text.replace(/../g, '\\x$&');
const header = (bits, data, type) => hex(`7f454c46${bits}${data}01000000000000000000${type}`);
const little = hex('ffffffffffffff00fffffffffffffffffeffffff');
const x86 = hex('fffffffffffefe00fffffffffffffffffeffffff');
const emulators = {
  x86_64: [header('02', '01', '02003e00'), x86],
  i386: [header('01', '01', '02000300'), x86],
  aarch64: [header('02', '01', '0200b700'), little],
  arm: [header('01', '01', '02002800'), little],
  ppc64le: [header('02', '01', '02001500'), hex('fffffffffffffffcfffffffffffffffffeffff00')],
  s390x: [header('02', '02', '00020016'), hex('fffffffffffffffcfffffffffffffffffffeffff')],
  riscv64: [header('02', '01', '0200f300'), little],
  mips64el: [header('02', '01', '02000800'), hex('ffffffffffffff00fefffffffffffffffeffffff')],
  mipsel: [header('01', '01', '02000800') + hex('00'.repeat(17)), hex(`ffffffffffffff00fefffffffffffffffeffffff${'00'.repeat(16)}20`)],
  loongarch64: [header('02', '01', '02000201'), hex('fffffffffffffffc00fffffffffffffffeffffff')],
};

const onAmd64 = Object.keys(emulators).filter((name) => name !== 'x86_64' && name !== 'i386');
const onArm64 = Object.keys(emulators).filter((name) => name !== 'aarch64' && name !== 'arm');
const qemu = (names, interpreter, flags) =>
  names.map((name) => [`qemu-${name}`, 'M', ...emulators[name], interpreter.replace('%', name), flags]);
const rosetta = (interpreter) => ['rosetta', 'M', ...emulators.x86_64, interpreter, 'OCF'];
const python = ['python3.11', 'M', '\\xa7\\x0d\\x0d\\x0a', '', '/usr/bin/python3.11', ''];
const debian = [
  python,
  ['jar', 'M', 'PK\\x03\\x04', '', '/usr/bin/jexec', ''],
  ...qemu(onAmd64, '/usr/libexec/qemu-binfmt/%-binfmt-P', 'OPF'),
];

const machines = {
  'debian-12-qemu-user-static': { handlers: debian },
  'debian-12-qemu-user-binfmt': { handlers: qemu(onAmd64, '/usr/libexec/qemu-binfmt/%-binfmt-P', 'OP') },
  'fedora-qemu-user-static': { handlers: qemu(onAmd64, '/usr/bin/qemu-%-static', 'F') },
  'tonistiigi-binfmt': { handlers: qemu(onAmd64, '/usr/bin/qemu-%', 'CF') },
  'multiarch-qemu-user-static': { handlers: qemu(onAmd64, '/usr/bin/qemu-%-static', '') },
  'docker-desktop-rosetta': { handlers: [...qemu(onArm64, '/usr/bin/qemu-%', 'CF'), rosetta('/run/rosetta/rosetta')] },
  'lima-rosetta': { handlers: [rosetta('/mnt/lima-rosetta/rosetta'), ['DOSWin', 'M', 'MZ', '', '/usr/bin/wine', '']] },
  'wsl-2': {
    handlers: [
      ['WSLInterop', 'M', 'MZ', '', '/init', 'PF'],
      ['WSLInterop-late', 'M', 'MZ', '', '/init', 'P'],
      ...qemu(['aarch64'], '/usr/bin/qemu-%', 'CF'),
    ],
  },
  'no-emulators': {
    handlers: [
      python,
      ['java-class', 'E', 'class', '', '/usr/bin/java', ''],
      ['llvm-14-runtime.binfmt', 'M', 'BC', '', '/usr/bin/lli-14', ''],
    ],
  },
  'switched-off': { handlers: debian, off: 'status' },
  'one-handler-off': { handlers: debian, off: 'qemu-aarch64' },
  'nothing-registered': { handlers: [] },
};

// Registered with F, an interpreter must be there: one of the same kind stands in for it, and its name is put back.
function register([name, type, magic, mask, interpreter, flags], standIn) {
  const path = flags.includes('F') ? standIn : interpreter;
  writeFileSync(join(misc, 'register'), `:${name}:${type}::${magic}:${mask}:${path}:${flags}`);
}

function shown({ handlers, off }, standIn) {
  for (const handler of handlers) register(handler, standIn);
  if (off !== undefined) writeFileSync(join(misc, off), '0');
  const interpreters = new Map(handlers.map(([name, , , , interpreter]) => [name, interpreter]));
  const names = readdirSync(misc).filter((name) => name !== 'register');
  return names.sort().map((name) => [name, readFileSync(join(misc, name), 'utf8').replace(standIn, interpreters.get(name))]);
}

const [machine, standIn] = process.argv.slice(2);
if (machine !== undefined) {
  console.log(JSON.stringify(Object.fromEntries(shown(machines[machine], standIn))));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'binfmt-'));
  const interpreter = join(folder, 'interpreter');
  writeFileSync(interpreter, '#!/bin/sh\n');
  chmodSync(interpreter, 0o755);
  const script = `mount -t binfmt_misc none ${misc} && exec "$@"`;
  const inside = ['-Urm', '--map-root-user', 'sh', '-ec', script, '-', process.execPath, fileURLToPath(import.meta.url)];
  const all = Object.keys(machines).map((name) => {
    const { stdout, status } = spawnSync('unshare', [...inside, name, interpreter], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (status !== 0) throw new Error(`${name}: unshare ended with ${status}`);
    return [name, JSON.parse(stdout)];
  });
  rmSync(folder, { recursive: true });
  console.log(JSON.stringify(Object.fromEntries(all), undefined, 1));
}
