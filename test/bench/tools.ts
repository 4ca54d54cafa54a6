import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../support/docker-registry.ts';
import type { Command } from './command.ts';

/** How each tool is told to do a piece of work, in as few requests as it knows how to. */
export interface Round {
  /** Registry, with the port. */
  readonly host: string;
  /** `host/repository:tag` of what is worked on. */
  readonly sources: readonly string[];
  /** `host/repository:tag` that is made; another one for each tool and each round, unless the work is to do it again. */
  readonly target: string;
  /** Another tag than any before. */
  readonly name: string;
  /** What the tool keeps for itself lies here. */
  readonly home: string;
}

export interface Steps {
  /** What must have been done before, and does not count. */
  readonly before?: readonly Command[];
  readonly measured: readonly Command[];
}

export type Do = (round: Round) => Steps;

/** Everything that a tool keeps for itself in one round lies in one folder: each round begins with nothing known. */
export function homeAt(home: string): Readonly<Record<string, string>> {
  mkdirSync(join(home, 'docker'), { recursive: true });
  writeFileSync(join(home, 'docker', 'config.json'), '{}');
  return {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    DOCKER_CONFIG: join(home, 'docker'),
    BUILDX_CONFIG: join(home, 'buildx'),
    MLIST_WORKSPACE: join(home, 'mlist'),
  };
}

export function isThere(tool: string): boolean {
  return programPath(tool) !== undefined;
}

const of =
  (program: string) =>
  (...args: readonly string[]): Command => ({ program, args });

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

export function buildah({ home }: Round, ...args: readonly string[]): Command {
  const storage = ['--root', join(home, 'buildah'), '--runroot', join(home, 'buildah-run')];
  return buildahProgram(...storage, '--storage-driver', 'vfs', ...args);
}

/** The tag of a reference, and what is before it. */
export function split(reference: string): readonly [string, string] {
  const colon = reference.lastIndexOf(':');
  return [reference.slice(0, colon), reference.slice(colon + 1)];
}
