// The interface between an action and the runner: inputs, outputs, the log and the job summary.
import { appendFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';

/** An error that the user of an action can fix. It is printed without a stack trace. */
export class ActionError extends Error {}

/** The value of an input without surrounding white space; empty if it is not set. */
export function input(name) {
  return (process.env[`INPUT_${name.toUpperCase()}`] ?? '').trim();
}

/** The lines of an input, without empty ones and surrounding white space. */
export function lines(name) {
  return input(name)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The value of a boolean input. An empty one has the default, so that a missing variable of a workflow turns nothing off. */
export function flag(name, defaultValue) {
  const value = input(name);
  if (value === '') return defaultValue;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new ActionError(`the input "${name}" must be "true" or "false", not ${JSON.stringify(value)}`);
}

/** Sets an output. The random delimiter cannot occur in the value, so a value cannot set other outputs. */
export function setOutput(name, value) {
  const delimiter = `end-${randomUUID()}`;
  appendFileSync(variable('GITHUB_OUTPUT'), `${name}<<${delimiter}\n${value}\n${delimiter}\n`);
}

/** Adds a folder to PATH for the later steps of the job. */
export function addPath(folder) {
  appendFileSync(variable('GITHUB_PATH'), `${folder}\n`);
}

/** Adds HTML or Markdown to the summary of the job. */
export function addSummary(text) {
  appendFileSync(variable('GITHUB_STEP_SUMMARY'), text);
}

/** The value of a variable that the runner sets. */
export function variable(name) {
  const value = process.env[name];
  if (value === undefined || value === '') throw new ActionError(`${name} is not set: run this script as an action`);
  return value;
}

/** Prints a line of the action itself. Untrusted text is printed with `withoutCommands`. */
export function log(line) {
  process.stdout.write(`${line}\n`);
}

/** Prints an annotation of the level `error`, `warning` or `notice`. The text may have several lines. */
export function annotate(level, title, text) {
  const property = escapeData(title).replaceAll(':', '%3A').replaceAll(',', '%2C');
  process.stdout.write(`::${level} title=${property}::${escapeData(text)}\n`);
}

/**
 * Runs work that prints text from a registry or another program. The runner would execute workflow commands in this text, such
 * as `::add-path::` and `##[add-mask]`. It ignores them until the random token is printed.
 *
 * @param work - receives a function that prints the text
 * @returns what the work returns
 */
export async function withoutCommands(work) {
  const token = randomUUID();
  process.stdout.write(`::stop-commands::${token}\n`);
  try {
    return await work((text) => process.stdout.write(text.endsWith('\n') ? text : `${text}\n`));
  } finally {
    process.stdout.write(`::${token}::\n`);
  }
}

function escapeData(text) {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Runs an action. An error fails the step, and is shown as an annotation. */
export async function run(name, action) {
  try {
    await action();
  } catch (error) {
    const isExpected = error instanceof ActionError;
    annotate('error', name, isExpected ? error.message : (error?.stack ?? String(error)));
    process.exitCode = 1;
  }
}
