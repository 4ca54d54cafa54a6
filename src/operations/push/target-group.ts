import { MlistError, SeveralErrors, type TargetOutcome } from '../../errors/errors.ts';
import { isLocalLocation } from '../../oci/location.ts';
import { contentReference } from '../../store/store.ts';
import { HeldBackError, NameGate, type GateEntrance } from '../../transfer/name-gate.ts';
import type { OnEvent, OperationEvent } from '../events.ts';
import { outcomeText } from '../publish/interruption.ts';

type Tagged = Extract<OperationEvent, { type: 'tagged' }>;

/** Maximum number of commands in a hint. */
const MAX_COMMANDS = 4;

/** The targets of a push with `allOrNothing`: no tag is moved before all targets have the content. */
export class TargetGroup {
  readonly #gate: NameGate;
  readonly #tagged: Tagged[] = [];
  readonly #next: OnEvent | undefined;

  /** @param size - the number of targets */
  constructor(size: number, next: OnEvent | undefined) {
    this.#gate = new NameGate(size);
    this.#next = next;
  }

  readonly onEvent: OnEvent = (event) => {
    if (event.type === 'tagged') this.#tagged.push(event);
    this.#next?.(event);
  };

  entrance(): GateEntrance {
    return this.#gate.entrance();
  }

  /** Called when a target has failed. If a target still lacks content at this time, no tag will be moved. */
  close(): void {
    this.#gate.close();
  }

  /**
   * Returns the failures with the outcomes of all targets. The message of the last failure lists the outcomes. If tags
   * were moved, its hint explains how to move the other tags, and how to move tags back.
   */
  withOutcomes(failures: readonly MlistError[], targets: readonly TargetOutcome[]): readonly MlistError[] {
    const all = failures.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
    return all.map(({ code, message, facts }, at) => {
      if (at < all.length - 1) return new MlistError(code, message, { ...facts, targets });
      const hint = [facts.hint, this.#undoHint()].filter((text) => text !== undefined).join(' ');
      const text = `${message}; ${outcomeText(targets)}`;
      return new MlistError(code, text, { ...facts, targets, ...(hint === '' ? {} : { hint }) });
    });
  }

  #undoHint(): string | undefined {
    const [first] = this.#tagged;
    if (first === undefined) return undefined;
    const commands = this.#tagged.flatMap(undoCommand);
    const shown = commands.slice(0, MAX_COMMANDS).join(', ');
    const undo =
      commands.length === 0
        ? ''
        : ` To restore the previous tags: ${shown}${commands.length > MAX_COMMANDS ? ', ...' : ''}.`;
    return `Run the same command again to move the other tags.${undo}`;
  }
}

/** Removes the errors of plans that were only held back because another plan has failed. */
export function withoutHeldBack(failures: readonly MlistError[]): readonly MlistError[] {
  return failures.filter((error) => !(error instanceof HeldBackError));
}

/**
 * Returns an array with the command that restores the previous state of a tag. The array is empty if this state is
 * unknown, and for layouts and archives, where content cannot be found without a tag.
 */
function undoCommand({ target, name, before, digest }: Tagged): readonly string[] {
  if (before === undefined || isLocalLocation(target)) return [];
  const tag = contentReference(target, name);
  if (before === 'absent') return [`"mlist delete ${tag}@${digest}"`];
  return [`"mlist copy ${contentReference(target, before)} ${tag} --if-digest ${digest}"`];
}
