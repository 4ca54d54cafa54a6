import { joinedList, type Tagged } from '../../src/operations/join/joined-list.ts';
import {
  afterWrite,
  initialMemory,
  type Memory,
  type Write as TagWrite,
} from '../../src/operations/join/protocol-memory.ts';
import {
  decide,
  type Decision,
  type Snapshot,
  type OwnImages,
  type Participant,
} from '../../src/operations/join/protocol.ts';
import { readSlot, slotName, tagOf, type StoredSlot } from '../../src/operations/join/slot.ts';
import { digestOf } from '../../src/oci/digest.ts';

/**
 * Explores all interleavings of several participants that join one tag. A state consists of the content of the registry
 * and the progress of each participant; a step is a read or a write of one tag, or the death of a participant. The decisions
 * after each snapshot are those of the program's own `decide`. Every reachable state is visited once.
 */
export interface Model {
  readonly runners: readonly Participant[];
  /** Platforms with slots. */
  readonly platforms: readonly string[];
  /** The initial list of the tag. */
  readonly base?: Tagged | undefined;
  /** The registry evaluates conditional requests. Default: false. */
  readonly hasConditions?: boolean;
  /** Number of writes that fail, before or after they take effect. */
  readonly lost?: number;
  /** Number of writes that take effect at any time after their response was lost. */
  readonly late?: number;
  /** Number of reads of the tag that return its content before the last write. */
  readonly stale?: number;
  /** Stale reads also occur for slots. */
  readonly staleSlots?: boolean;
  /** Number of deaths of participants, which are then restarted. */
  readonly deaths?: number;
  /** Dead participants are not restarted. */
  readonly forGood?: boolean;
  /** A pause is longer than the time between a snapshot and a write of another participant. */
  readonly isTimely?: boolean;
  /** Participants wait for each other. */
  readonly waits?: boolean;
}

export interface Visit {
  /** The list of the tag; undefined if it does not exist. */
  readonly list: Tagged | undefined;
  readonly slots: readonly (StoredSlot | undefined)[];
  /** The outcome of each participant; undefined while it runs, `dead` if it was killed. */
  readonly outcomes: readonly (string | undefined)[];
}

export interface Explored {
  readonly states: number;
  /** Number of states in which every participant has ended. */
  readonly ends: number;
  /** Whether an end can be reached from every state. */
  readonly isAlwaysEndable: boolean;
}

interface Write {
  readonly register: number;
  readonly value: number;
  readonly write: TagWrite;
}

/** The progress of a participant. Registers are the slots, then the tag; -1 has not been read yet. */
interface Local {
  readonly phase: 'look' | 'write' | 'pause' | 'over' | 'dead';
  readonly seen: readonly number[];
  readonly memory: Memory;
  readonly writes: readonly Write[];
  /** Other participants that had a snapshot when the pause began, and may still write. */
  readonly awaits: readonly number[];
  /** The outcome if the time is up during a pause. */
  readonly limit?: string;
  readonly outcome?: string;
}

interface State {
  readonly registers: readonly number[];
  /** The content of the registers before their last write; empty unless reads may be stale. */
  readonly before: readonly number[];
  readonly locals: readonly number[];
  readonly late: readonly (readonly [register: number, value: number])[];
  readonly lost: number;
  readonly lates: number;
  readonly deaths: number;
  readonly stale: number;
}

export function explore(
  model: Model,
  visit: (visit: Visit) => void,
  onMove?: (from: Visit, to: Visit) => void,
): Explored {
  return new Explorer(model).run(visit, onMove);
}

/** Creates a participant. Its images depend on its group. */
export function makeRunner(
  group: string,
  platforms: readonly string[],
  expect?: readonly string[],
  retries = 4,
): Participant {
  const target = 'registry.test/team/app:v1';
  const own = platforms.map((platform): OwnImages => {
    const [os = '', architecture = ''] = platform.split('/');
    const digest = digestOf(Buffer.from(`${group} ${platform}`));
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const entry = { mediaType, digest, size: 7, platform: { architecture, os } };
    return { name: slotName(tagOf(target), platform), platform, entries: [entry] };
  });
  return { target, group: { id: group }, began: Number(group) * 1000, expect, own, retries };
}

/** Creates a list with the images of these participants. */
export function makeBase(runners: readonly Participant[]): Tagged {
  const slots = runners.flatMap(({ target, group, began, own }) =>
    own.map((one) => ({ ...one, target, group, began })),
  );
  return joinedList(runners[0]!.target, undefined, slots);
}

class Explorer {
  readonly #model: Model;
  readonly #names: readonly string[];
  readonly #slots: (StoredSlot | undefined)[] = [undefined];
  readonly #lists: (Tagged | undefined)[] = [undefined];
  readonly #slotIds = new Map<string, number>();
  readonly #listIds = new Map<string, number>();
  readonly #locals: Local[] = [];
  readonly #localIds = new Map<string, number>();
  readonly #decisions = new Map<string, number>();
  /** The ids of the successors of a local state after a read of a register. */
  readonly #afterReads = new Map<string, number>();

  constructor(model: Model) {
    this.#model = model;
    const target = model.runners[0]!.target;
    this.#names = model.platforms.map((platform) => slotName(tagOf(target), platform));
  }

  run(visit: (visit: Visit) => void, onMove?: (from: Visit, to: Visit) => void): Explored {
    const { runners, base, lost = 0, late = 0, deaths = 0, stale = 0 } = this.#model;
    const registers = [...this.#names.map(() => 0), base === undefined ? 0 : this.#listId(base)];
    const first: State = {
      registers,
      before: stale > 0 ? registers : [],
      locals: [],
      late: [],
      lost,
      lates: late,
      deaths,
      stale,
    };
    const locals = runners.map((_, runner) => this.#localId(this.#looking(first, runner, initialMemory)));
    const start = { ...first, locals };
    const ids = new Map<string, number>([[this.#keyOf(start), 0]]);
    const keys = [...ids.keys()];
    const edges = new Edges();
    const ends: number[] = [];
    visit(this.#visitOf(start));
    for (let at = 0; at < keys.length; at += 1) {
      const state = this.#stateOf(keys[at]!);
      if (state.locals.every((local) => this.#isOver(this.#locals[local]!))) ends.push(at);
      for (const next of this.#steps(state)) {
        if (onMove !== undefined) onMove(this.#visitOf(state), this.#visitOf(next));
        const key = this.#keyOf(next);
        const known = ids.get(key);
        edges.add(at, known ?? keys.length);
        if (known !== undefined) continue;
        ids.set(key, keys.length);
        keys.push(key);
        visit(this.#visitOf(next));
      }
    }
    return { states: keys.length, ends: ends.length, isAlwaysEndable: edges.reachAll(ends, keys.length) };
  }

  #keyOf({ registers, before, locals, late, lost, lates, deaths, stale }: State): string {
    return String.fromCharCode(...registers, ...before, ...locals, lost, lates, deaths, stale, ...late.flat());
  }

  #stateOf(key: string): State {
    const codes = Array.from({ length: key.length }, (_, at) => key.charCodeAt(at));
    const [slots, runners] = [this.#names.length + 1, this.#model.runners.length];
    const olds = this.#model.stale === undefined ? 0 : slots;
    const [lost = 0, lates = 0, deaths = 0, stale = 0, ...late] = codes.slice(slots + olds + runners);
    const pairs = Array.from({ length: late.length / 2 }, (_, at) => [late[2 * at]!, late[2 * at + 1]!] as const);
    return {
      registers: codes.slice(0, slots),
      before: codes.slice(slots, slots + olds),
      locals: codes.slice(slots + olds, slots + olds + runners),
      late: pairs,
      lost,
      lates,
      deaths,
      stale,
    };
  }

  #isOver({ phase }: Local): boolean {
    return phase === 'over' || (phase === 'dead' && this.#model.forGood === true);
  }

  *#steps(state: State): Generator<State> {
    for (const [at, [register, value]] of state.late.entries()) {
      yield { ...withRegister(state, register, value), late: state.late.toSpliced(at, 1) };
    }
    for (const runner of this.#model.runners.keys()) {
      const local = this.#locals[state.locals[runner]!]!;
      if (local.phase === 'over') continue;
      if (local.phase === 'dead') {
        if (this.#model.forGood !== true)
          yield this.#moved(state, runner, this.#localId(this.#looking(state, runner, initialMemory)));
        continue;
      }
      if (state.deaths > 0) {
        const dead: Local = { phase: 'dead', seen: [], memory: initialMemory, writes: [], awaits: [] };
        yield { ...this.#moved(state, runner, this.#localId(dead)), deaths: state.deaths - 1 };
      }
      if (local.limit !== undefined && local.awaits.length === 0)
        yield this.#moved(state, runner, this.#localId(over(local.limit)));
      if (local.phase === 'look') yield* this.#read(state, runner, local);
      else if (local.phase === 'write') yield* this.#write(state, runner, local);
      else if (local.awaits.length === 0)
        yield this.#moved(state, runner, this.#localId(this.#looking(state, runner, local.memory)));
    }
  }

  /** Reads one tag: the slots in any order, then the list. */
  *#read(state: State, runner: number, local: Local): Generator<State> {
    const last = this.#names.length;
    const open = this.#names.map((_, register) => register).filter((register) => local.seen[register] === -1);
    const { staleSlots = false } = this.#model;
    for (const register of open.length > 0 ? open : [last]) {
      const [now, before] = [state.registers[register]!, state.before[register]];
      yield this.#shown(state, runner, register, now);
      if (state.stale === 0 || before === undefined || before === now || (register !== last && !staleSlots)) continue;
      yield this.#shown({ ...state, stale: state.stale - 1 }, runner, register, before);
    }
  }

  #shown(state: State, runner: number, register: number, value: number): State {
    const before = state.locals[runner]!;
    if (register === this.#names.length) return this.#decided(state, runner, value);
    const key = `${before} ${register} ${value}`;
    let id = this.#afterReads.get(key);
    if (id === undefined) {
      const local = this.#locals[before]!;
      id = this.#localId({ ...local, seen: local.seen.with(register, value) });
      this.#afterReads.set(key, id);
    }
    return this.#moved(state, runner, id);
  }

  /** Performs one of the decided writes, with each possible outcome. */
  *#write(state: State, runner: number, local: Local): Generator<State> {
    for (const [at, write] of local.writes.entries()) {
      const { register, value } = write;
      const { condition } = write.write;
      const rest = local.writes.toSpliced(at, 1);
      const after = (state: State, outcome: 'done' | 'unclear' | 'refused'): State => {
        const memory = afterWrite(local.memory, write.write, outcome);
        const next = rest.length > 0 ? { ...local, writes: rest, memory } : this.#looking(state, runner, memory);
        return this.#moved(state, runner, this.#localId(next));
      };
      const { hasConditions = false } = this.#model;
      const isRefused = hasConditions && condition !== undefined && this.#digestAt(state, register) !== condition;
      const happened = isRefused ? state : withRegister(state, register, value);
      yield after(happened, isRefused ? 'refused' : 'done');
      if (state.lost > 0) {
        for (const outcome of [state, happened]) {
          yield { ...after(outcome, 'unclear'), lost: state.lost - 1 };
        }
      }
      if (state.lates > 0) {
        const late = [...state.late, [register, value] as const];
        yield { ...after(state, 'unclear'), late, lates: state.lates - 1 };
      }
    }
  }

  #digestAt({ registers }: State, register: number): string {
    const value = registers[register]!;
    return (register === this.#names.length ? this.#lists[value]?.digest : this.#slots[value]?.digest) ?? 'absent';
  }

  /** The decision of a participant after it has read the list, the last part of a snapshot. A pause with nothing to wait for ends immediately. */
  #decided(state: State, runner: number, list: number): State {
    const busy = this.#busy(state, runner);
    const local = state.locals[runner]!;
    const key = `${runner} ${local} ${list} ${busy.join()}`;
    let id = this.#decisions.get(key);
    if (id === undefined) {
      const { seen, memory: before } = this.#locals[local]!;
      const slots = seen.slice(0, -1).flatMap((value) => this.#slots[value] ?? []);
      const sorted = slots.toSorted((left, right) => (left.name < right.name ? -1 : 1));
      const look: Snapshot = { slots: sorted, nonSlots: new Map(), base: this.#lists[list] };
      const { decision, memory } = decide(this.#model.runners[runner]!, before, look);
      id = this.#localId(this.#after(decision, memory, busy));
      this.#decisions.set(key, id);
    }
    const { phase, awaits, limit, memory } = this.#locals[id]!;
    const isOver = phase === 'pause' && awaits.length === 0 && limit === undefined;
    return this.#moved(state, runner, isOver ? this.#localId(this.#looking(state, runner, memory)) : id);
  }

  #after(decision: Decision, memory: Memory, busy: readonly number[]): Local {
    const at = { seen: [], memory, writes: [], awaits: [] };
    switch (decision.do) {
      case 'end':
        return over('complete');
      case 'leave':
        return over('superseded');
      case 'wait':
        if (decision.isSettled && this.#model.waits !== true) return over('waiting');
        return { ...at, memory: { ...memory, clean: Math.min(memory.clean, 1) }, phase: 'pause', awaits: busy };
      case 'read-again':
        return { ...at, phase: 'pause', awaits: busy };
      case 'await-shown':
        return { ...at, phase: 'pause', awaits: busy, limit: 'not shown' };
      case 'give-up':
        return over('failed');
      case 'put-list': {
        const { list, write } = decision;
        return { ...at, phase: 'write', writes: [{ register: this.#names.length, value: this.#listId(list), write }] };
      }
      case 'put-slots': {
        const writes = decision.writes.map(({ content, ...write }) => {
          const slot = readSlot(content, write.name, this.#model.runners[0]!.target);
          if (typeof slot === 'string') throw new Error(slot);
          return { register: this.#names.indexOf(write.name), value: this.#slotId(slot), write };
        });
        return { ...at, phase: 'write', writes };
      }
    }
  }

  /** Other participants that have read a register and may write because of it. */
  #busy({ locals }: State, runner: number): readonly number[] {
    if (this.#model.isTimely !== true) return [];
    return locals.flatMap((id, other) => (other !== runner && this.#isBusy(this.#locals[id]!) ? [other] : []));
  }

  /** Begins a snapshot. Registers that no other participant writes are read immediately, since the time makes no difference. */
  #looking({ registers }: State, runner: number, memory: Memory): Local {
    const isOwn = (name: string) =>
      this.#model.late === undefined &&
      this.#model.staleSlots !== true &&
      this.#model.runners.every(({ own }, at) => at === runner || !own.some((one) => one.name === name));
    const seen = [...this.#names.map((name, at) => (isOwn(name) ? registers[at]! : -1)), -1];
    return { phase: 'look', seen, memory, writes: [], awaits: [] };
  }

  /** Advances a participant. Others that waited for its writes continue when it can no longer write. */
  #moved(state: State, runner: number, next: number): State {
    if (this.#model.isTimely !== true) return { ...state, locals: state.locals.with(runner, next) };
    const isSettled = !this.#isBusy(this.#locals[next]!);
    const locals = state.locals.map((id, other) => {
      if (other === runner) return next;
      const local = this.#locals[id]!;
      if (!isSettled || !local.awaits.includes(runner)) return id;
      return this.#localId({ ...local, awaits: local.awaits.filter((one) => one !== runner) });
    });
    return { ...state, locals };
  }

  #isBusy({ phase, seen }: Local): boolean {
    return phase === 'write' || (phase === 'look' && seen.some((value) => value !== -1));
  }

  #visitOf({ registers, locals }: State): Visit {
    return {
      list: this.#lists[registers.at(-1)!],
      slots: registers.slice(0, -1).map((value) => this.#slots[value]),
      outcomes: locals.map((id) => {
        const { phase, outcome } = this.#locals[id]!;
        return phase === 'dead' ? 'dead' : outcome;
      }),
    };
  }

  #slotId(slot: StoredSlot): number {
    return idOf(this.#slotIds, `${slot.name} ${slot.digest}`, this.#slots, slot);
  }

  #listId(list: Tagged): number {
    return idOf(this.#listIds, list.digest, this.#lists, list);
  }

  #localId(local: Local): number {
    return idOf(this.#localIds, JSON.stringify(local), this.#locals, local);
  }
}

function idOf<T>(ids: Map<string, number>, key: string, values: T[], value: T): number {
  const known = ids.get(key);
  if (known !== undefined) return known;
  ids.set(key, values.length);
  values.push(value);
  return values.length - 1;
}

function withRegister(state: State, register: number, value: number): State {
  const registers = state.registers.with(register, value);
  if (state.before.length === 0 || registers[register] === state.registers[register]) return { ...state, registers };
  return { ...state, registers, before: state.before.with(register, state.registers[register]!) };
}

function over(outcome: string): Local {
  return { phase: 'over', seen: [], memory: initialMemory, writes: [], awaits: [], outcome };
}

/** The transitions between states. */
class Edges {
  #from = new Int32Array(1024);
  #to = new Int32Array(1024);
  #count = 0;

  add(from: number, to: number): void {
    if (this.#count === this.#from.length) {
      this.#from = grown(this.#from);
      this.#to = grown(this.#to);
    }
    this.#from[this.#count] = from;
    this.#to[this.#count] = to;
    this.#count += 1;
  }

  /** Whether an end can be reached from every state. */
  reachAll(ends: readonly number[], states: number): boolean {
    const firsts = new Int32Array(states + 1);
    for (let edge = 0; edge < this.#count; edge += 1) firsts[this.#to[edge]! + 1]! += 1;
    for (let state = 0; state < states; state += 1) firsts[state + 1]! += firsts[state]!;
    const before = new Int32Array(this.#count);
    const next = firsts.slice();
    for (let edge = 0; edge < this.#count; edge += 1) before[next[this.#to[edge]!]!++] = this.#from[edge]!;
    const reached = new Uint8Array(states);
    const open = [...ends];
    for (const end of ends) reached[end] = 1;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const one of before.subarray(firsts[at], firsts[at + 1])) {
        if (reached[one] === 1) continue;
        reached[one] = 1;
        open.push(one);
      }
    }
    return reached.every((one) => one === 1);
  }
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
