import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../support/docker-registry.ts';
import type { Command } from './command.ts';
import type { BenchContext } from './main.ts';
import type { TlsSetup } from './tls-registry.ts';

/** The command lines of each tool for a job, with as few requests as the tool can make. */
export interface Round {
  /** Registry, with the port. */
  readonly host: string;
  /** Scheme and host. Default: http. */
  readonly origin?: string;
  /** `host/repository:tag` of each source. */
  readonly sources: readonly string[];
  /** `host/repository:tag` of the result. It differs by tool and round, unless the job is to repeat the work. */
  readonly target: string;
  /** A tag that was not used before. */
  readonly name: string;
  /** Folder for the tool's own files. */
  readonly folder: string;
}

export interface Steps {
  /** Commands that prepare the job and are not measured. */
  readonly before?: readonly Command[];
  readonly measured: readonly Command[];
}

export type Do = (round: Round) => Steps;

/** The environment of a tool. Its own files are in one folder per round, so that each round begins with empty caches. */
export function environmentIn(folder: string): Readonly<Record<string, string>> {
  mkdirSync(join(folder, 'docker'), { recursive: true });
  writeFileSync(join(folder, 'docker', 'config.json'), '{}');
  return {
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    DOCKER_CONFIG: join(folder, 'docker'),
    BUILDX_CONFIG: join(folder, 'buildx'),
    MLIST_WORKSPACE: join(folder, 'mlist'),
  };
}

/**
 * The variables with which a tool trusts the authority of the registries. Go programs read `SSL_CERT_FILE`. mlist has the
 * option `--ca-file`, and the variable is unset, as on most machines.
 */
export function trustOf(tool: string, { caFile }: TlsSetup): Readonly<Record<string, string>> {
  if (tool === 'bare') return { BENCH_CA_FILE: caFile };
  return /^(?:mlist|create)/.test(tool) ? {} : { SSL_CERT_FILE: caFile };
}

export function isInstalled(tool: string): boolean {
  return programPath(tool) !== undefined;
}

const of =
  (program: string) =>
  (...args: readonly string[]): Command => ({ program, args });

/** A script that Node runs. */
export type Script = (...args: readonly string[]) => Command;

/**
 * The program of the checkout. Its compiled code is cached between the rounds, as on the machine of a user.
 * @param options - added to its arguments
 */
export function mlistOf({ root, folder }: BenchContext, ...options: readonly string[]): Script {
  const path = join(root, 'dist', 'cli', 'mlist.js');
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  return (...args) => ({ program: process.execPath, args: [path, ...args, ...options], env });
}

/** The script that sends only the necessary requests (bare.ts). */
export function bareOf({ folder }: BenchContext): Script {
  return (...args) => ({ program: process.execPath, args: [join(folder, 'bare.mjs'), ...args] });
}

export const crane = of('crane');
export const oras = of('oras');
export const docker = of('docker');
export const buildx = of('docker-buildx');
export const skopeo = of('skopeo');
const regctlProgram = of('regctl');
const buildahProgram = of('buildah');

export function regctl({ host }: Round, ...args: readonly string[]): Command {
  return regctlProgram('--host', `reg=${host},tls=disabled`, ...args);
}

export function buildah({ folder }: Round, ...args: readonly string[]): Command {
  const storage = ['--root', join(folder, 'buildah'), '--runroot', join(folder, 'buildah-run')];
  return buildahProgram(...storage, '--storage-driver', 'vfs', ...args);
}

/** Splits a reference into the name and the tag. */
export function split(reference: string): readonly [string, string] {
  const colon = reference.lastIndexOf(':');
  return [reference.slice(0, colon), reference.slice(colon + 1)];
}
