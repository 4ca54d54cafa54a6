import { BlobCache } from '../store/cache.ts';
import { locateWorkspace, ownWorkspace } from '../draft/workspace/locate-workspace.ts';
import { ProjectGuard } from '../draft/workspace/project-guard.ts';
import { Workspace } from '../draft/workspace/workspace.ts';
import { MlistError } from '../errors/errors.ts';
import { formatLocation } from '../oci/location.ts';
import type { OnEvent } from '../operations/events.ts';
import type { Stores } from '../store/open.ts';
import { version } from '../version.ts';
import { commandGroups, commands } from './commands/commands.ts';
import type { Context, Environment } from './context.ts';
import { parsePluginCall } from './docker-plugin/docker-plugin.ts';
import { PendingWork, withDeadline } from './deadline.ts';
import type { CommandDeclaration, ParsedArguments } from './args/command-declaration.ts';
import { MAX_INPUT_BYTES } from './args/limits.ts';
import { Output, type OutputOptions } from './output/output.ts';
import { commandPosition, unknownGlobalOption, parseCommand } from './args/parse-arguments.ts';
import { pipesOf, refuseTerminals, type Pipes } from './args/pipes.ts';
import { eventReporter } from './output/reporter.ts';
import { LostOutput } from './output/result-stream.ts';
import { TransferTotals } from './output/transfer-totals.ts';

/**
 * Runs a command line. Errors are printed on stderr.
 * @returns the exit code
 * @throws MlistError if the current folder does not exist, or the user has no home folder
 */
export async function main(argv: readonly string[], original: Environment): Promise<number> {
  const { args: rawArgs, env } = parsePluginCall(argv, original.env);
  const environment = { ...original, env };
  if (completionCalls.has(rawArgs[0] ?? '')) return complete(rawArgs, environment);
  const position = commandPosition(rawArgs);
  const name = rawArgs[position];
  const command = commands.find((candidate) => candidate.name === name);
  let output = await Output.open(environment, earlyOptions(rawArgs, environment));
  try {
    if (command === undefined) return await runWithoutCommand(name, rawArgs, output);
    const args = parseCommand(command, rawArgs.toSpliced(position, 1));
    output = await Output.open(environment, outputOptions(args, environment));
    if (args.flag('help')) return await help(output, command.name);
    if (args.flag('version')) return printVersion(output);
    const pipes = pipesOf(args);
    refuseTerminals(pipes, { stdin: environment.stdinIsTTY, stdout: environment.stdout.isTTY === true });
    if (pipes.target !== undefined) {
      // stdout is for the archive, so everything else is printed to stderr.
      const streams = { stdout: environment.stderr, stderr: environment.stderr };
      output = await Output.open(streams, { ...outputOptions(args, environment), compactDocument: true });
    }
    return await run({ command, args, pipes }, output, environment);
  } catch (thrown) {
    // `ResultStream` has handled the failed write, and its `exitCode` replaces the exit code 0.
    if (thrown instanceof LostOutput) return 0;
    output.error(thrown);
    return exitCodeOf(thrown);
  }
}

/** Prints an error that occurred outside a command, and returns its exit code. */
export async function reportError(
  rawArgs: readonly string[],
  environment: Environment,
  error: MlistError,
): Promise<number> {
  const output = await Output.open(environment, earlyOptions(rawArgs, environment));
  output.error(error);
  return error.exitCode;
}

/** The values of the first argument that request completion. mlist's scripts pass the first value, docker the others. */
const completionCalls = new Set(['--complete', '__complete', '__completeNoDesc']);

async function complete([kind = '', ...words]: readonly string[], environment: Environment): Promise<number> {
  const { completionText } = await import('./completion/complete.ts');
  environment.stdout.write(await completionText(kind, commands, words, environment));
  return 0;
}

interface Call {
  readonly command: CommandDeclaration;
  readonly args: ParsedArguments;
  readonly pipes: Pipes;
}

async function run(call: Call, output: Output, environment: Environment): Promise<number> {
  const { command, args } = call;
  const { run: handler } = await command.load();
  const { context, close } = await contextFor(call, output, environment);
  try {
    return await handler(args, context);
  } catch (thrown) {
    const [{ withNameHint }, { withLocationHint }, { withDraftHint }] = await Promise.all([
      import('./args/name-error-hint.ts'),
      import('./args/location-error-hint.ts'),
      import('./args/draft-error-hint.ts'),
    ]);
    const hinted = withDraftHint(thrown, args, context);
    if (!(hinted instanceof MlistError)) throw hinted;
    throw await withLocationHint(await withNameHint(hinted, context.workspace), args, environment.cwd);
  } finally {
    await close();
  }
}

function exitCodeOf(thrown: unknown): number {
  return thrown instanceof MlistError ? thrown.exitCode : 1;
}

async function runWithoutCommand(
  name: string | undefined,
  rawArgs: readonly string[],
  output: Output,
): Promise<number> {
  if (name === 'help') return help(output, rawArgs[rawArgs.indexOf('help') + 1]);
  if (name !== undefined) throw await unknown(name, rawArgs);
  if (rawArgs.includes('--version')) return printVersion(output);
  if (rawArgs.length === 0 || rawArgs.includes('--help') || rawArgs.includes('-h')) return help(output, undefined);
  throw (
    unknownGlobalOption(rawArgs) ??
    new MlistError('ERR_MLIST_USAGE', 'missing argument: COMMAND', { hint: 'See "mlist --help".' })
  );
}

async function unknown(name: string, rawArgs: readonly string[]): Promise<MlistError> {
  const { unknownCommand } = await import('./args/unknown-command.ts');
  return unknownCommand(name, rawArgs[rawArgs.indexOf(name) + 1], commands);
}

/**
 * Prints help.
 * @param topic - the name of a command, or `options`. If it is undefined or begins with `-`, the overview is printed
 * @throws MlistError `ERR_MLIST_USAGE` if the topic is unknown
 */
async function help(output: Output, topic: string | undefined): Promise<number> {
  const { commandHelp, optionsHelp, overview, OPTIONS_TOPIC } = await import('./render/help.ts');
  const { width } = output;
  const command = commands.find(({ name }) => name === topic);
  const isOptions = command === undefined && topic === OPTIONS_TOPIC;
  const isUnknown = command === undefined && !isOptions && topic !== undefined && !topic.startsWith('-');
  if (isUnknown) throw await unknown(topic, [topic]);
  const text =
    command !== undefined
      ? commandHelp(command, width)
      : isOptions
        ? optionsHelp(width)
        : overview(commandGroups, width);
  for (const line of text.split('\n')) output.line(line);
  return 0;
}

function printVersion(output: Output): number {
  if (output.json) output.document({ version });
  else output.line(version);
  return 0;
}

/** Returns provisional output options, for errors that occur before the command line has been parsed. */
function earlyOptions(rawArgs: readonly string[], environment: Environment): OutputOptions {
  return { json: rawArgs.includes('--json'), quiet: false, debug: false, progress: 'auto', env: environment.env };
}

function outputOptions(args: ParsedArguments, environment: Environment): OutputOptions {
  return {
    json: args.flag('json'),
    quiet: args.flag('quiet'),
    debug: args.flag('debug'),
    progress: (args.text('progress') ?? 'auto') as OutputOptions['progress'],
    env: environment.env,
  };
}

/** Opens the workspace, and creates the guard that decides which content outside the project the command may read. */
async function openWorkspace(
  { command, args }: Call,
  { env, cwd, home, platform, uid }: Environment,
  onEvent: OnEvent,
): Promise<{ readonly workspace: Workspace; readonly guard: ProjectGuard }> {
  const places = { workspace: args.text('workspace'), env, cwd, home, platform, uid };
  const own = ownWorkspace(places);
  const folder = await locateWorkspace(places).catch((thrown: unknown) => {
    if (command.worksWithoutWorkspace === true) return own;
    throw thrown;
  });
  const guard = new ProjectGuard({
    workspace: folder,
    cwd,
    ownWorkspace: own,
    allowOutside: args.flag('allow-outside'),
    onUnrecorded: (location, { message }) => {
      const reason = `${formatLocation(location)} is outside the project, and could not be recorded as allowed: ${message}`;
      onEvent({ type: 'warning', message: `${reason}. Later commands that read it need --allow-outside` });
    },
  });
  return { workspace: new Workspace(folder, { cwd, guard }), guard };
}

interface OpenContext {
  readonly context: Context;
  /** Closes the stores if the command has opened them. */
  readonly close: () => Promise<void>;
}

async function contextFor(call: Call, output: Output, environment: Environment): Promise<OpenContext> {
  const { args, pipes } = call;
  const { env, cwd, home, platform, host, uid, systemFolder } = environment;
  let opened: Stores | undefined;
  const work = new PendingWork();
  const pending = () => [...work.all, ...(opened?.registries.unanswered ?? [])];
  const signal = withDeadline(args, environment.signal, pending);
  const totals = new TransferTotals();
  const onEvent = eventReporter(output, { dryRun: args.flag('dry-run'), totals });
  const { workspace, guard } = await openWorkspace(call, environment, onEvent);
  const { folder } = workspace;
  let stores: ReturnType<Context['stores']> | undefined;
  const context: Context = {
    output,
    env,
    cwd,
    home,
    platform,
    host,
    uid,
    systemFolder,
    signal,
    extendGrace: environment.extendGrace ?? (() => undefined),
    waiting: work.track,
    workspace,
    cache: new BlobCache(folder),
    stores: () =>
      (stores ??= import('./args/open-stores.ts').then(({ openStores }) => {
        opened = openStores(args, output, {
          ...environment,
          pipes,
          folder,
          guard,
          signal,
          waiting: work.track,
          onEvent,
        });
        return opened;
      })),
    onEvent,
    totals,
    canAsk: environment.stderr.isTTY === true && !env['CI'] && !args.flag('no-input') && environment.stdinIsTTY(),
    ask: environment.ask,
    stdin: () => work.track('read stdin', environment.stdin({ maxBytes: MAX_INPUT_BYTES, signal })),
  };
  return { context, close: async () => (await stores?.catch(() => undefined))?.close() };
}
