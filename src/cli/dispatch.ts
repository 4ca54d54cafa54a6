import { BlobCache } from '../store/cache.ts';
import { locateWorkspace } from '../draft/workspace/locate-workspace.ts';
import { Workspace } from '../draft/workspace/workspace.ts';
import { MlistError } from '../errors/errors.ts';
import type { Stores } from '../store/open.ts';
import { version } from '../version.ts';
import { commands } from './commands/commands.ts';
import type { Ask, Context } from './context.ts';
import { parsePluginCall } from './docker-plugin/docker-plugin.ts';
import { PendingWork, withDeadline } from './deadline.ts';
import type { CommandDeclaration, ParsedArguments } from './args/command-declaration.ts';
import { MAX_INPUT_BYTES } from './args/limits.ts';
import { Output, type OutputOptions, type Sink } from './output/output.ts';
import { commandPosition, parseCommand } from './args/parse-arguments.ts';
import { eventReporter } from './output/reporter.ts';

/** The world around a command. */
export interface Environment {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** To look makes a stream, which takes a while. */
  readonly stdinIsTTY: () => boolean;
  readonly stdin: (limits: StdinLimits) => Promise<Uint8Array>;
  readonly ask: Ask;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  readonly signal: AbortSignal;
}

export interface StdinLimits {
  /** No more than one byte over this is read. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a command line; a failure is reported on stderr and determines the exit code.
 * @throws MlistError where there is no current or home folder
 */
export async function main(argv: readonly string[], around: Environment): Promise<number> {
  const { args, env } = parsePluginCall(argv, around.env);
  const world = { ...around, env };
  if (completing.has(args[0] ?? '')) return complete(args, world);
  const at = commandPosition(args);
  const name = args[at];
  const command = commands.find((one) => one.name === name);
  let output = await Output.open(world, guessedOptions(args, world));
  try {
    if (command === undefined) return await withoutCommand(name, args, output);
    const invocation = parseCommand(command, args.toSpliced(at, 1));
    output = await Output.open(world, outputOptions(invocation, world));
    if (invocation.flag('help')) return await help(output, command);
    if (invocation.flag('version')) return printVersion(output);
    return await run(command, invocation, output, world);
  } catch (thrown) {
    output.error(thrown);
    return exitCodeOf(thrown);
  }
}

/** Tells of an error that came outside a command; its exit code. */
export async function reportError(args: readonly string[], world: Environment, error: MlistError): Promise<number> {
  const output = await Output.open(world, guessedOptions(args, world));
  output.error(error);
  return error.exitCode;
}

/** How a shell asks for completions, and how docker does on behalf of its plugins. */
const completing = new Set(['--complete', '__complete', '__completeNoDesc']);

async function complete([kind = '', ...words]: readonly string[], world: Environment): Promise<number> {
  const { completionText } = await import('./completion/complete.ts');
  world.stdout.write(await completionText(kind, commands, words, world));
  return 0;
}

async function run(
  command: CommandDeclaration,
  invocation: ParsedArguments,
  output: Output,
  world: Environment,
): Promise<number> {
  const { run: handler } = await command.load();
  const { context, close } = await contextFor(invocation, output, world);
  try {
    return await handler(invocation, context);
  } catch (thrown) {
    const [{ withLocationHint }, { withDraftHint }] = await Promise.all([
      import('./args/location-error-hint.ts'),
      import('./args/draft-error-hint.ts'),
    ]);
    const hinted = withDraftHint(thrown, invocation, context);
    throw hinted instanceof MlistError ? await withLocationHint(hinted, invocation, world.cwd) : hinted;
  } finally {
    await close();
  }
}

function exitCodeOf(thrown: unknown): number {
  return thrown instanceof MlistError ? thrown.exitCode : 1;
}

async function withoutCommand(name: string | undefined, args: readonly string[], output: Output): Promise<number> {
  if (name === 'help')
    return help(
      output,
      commands.find((one) => one.name === args[args.indexOf('help') + 1]),
    );
  if (name !== undefined) {
    const { unknownCommand } = await import('./args/unknown-command.ts');
    throw unknownCommand(name, commands);
  }
  if (args.includes('--version')) return printVersion(output);
  if (args.includes('--help') || args.includes('-h')) return help(output, undefined);
  throw new MlistError('ERR_MLIST_USAGE', 'no command is given', { hint: 'See "mlist --help".' });
}

async function help(output: Output, command: CommandDeclaration | undefined): Promise<number> {
  const { helpText } = await import('./render/help.ts');
  for (const line of (await helpText(commands, command, output.width)).split('\n')) output.line(line);
  return 0;
}

function printVersion(output: Output): number {
  if (output.json) output.document({ version });
  else output.line(version);
  return 0;
}

/** Before the command line is understood: enough to tell an error as it was asked for. */
function guessedOptions(args: readonly string[], world: Environment): OutputOptions {
  return { json: args.includes('--json'), quiet: false, debug: false, progress: 'auto', env: world.env };
}

function outputOptions(invocation: ParsedArguments, world: Environment): OutputOptions {
  return {
    json: invocation.flag('json'),
    quiet: invocation.flag('quiet'),
    debug: invocation.flag('debug'),
    progress: (invocation.text('progress') ?? 'auto') as OutputOptions['progress'],
    env: world.env,
  };
}

interface Opened {
  readonly context: Context;
  /** Closes what the command has opened. */
  readonly close: () => Promise<void>;
}

async function contextFor(invocation: ParsedArguments, output: Output, world: Environment): Promise<Opened> {
  const { env, cwd, home, platform, uid } = world;
  const folder = await locateWorkspace({ workspace: invocation.text('workspace'), env, cwd, home, platform, uid });
  let opened: Stores | undefined;
  const waits = new PendingWork();
  const open = () => [...waits.all, ...(opened?.registries.unanswered ?? [])];
  const signal = withDeadline(invocation, world.signal, open);
  const workspace = new Workspace(folder, { cwd });
  const onEvent = eventReporter(output);
  let stores: ReturnType<Context['stores']> | undefined;
  const context: Context = {
    output,
    env,
    cwd,
    home,
    platform,
    uid,
    signal,
    waiting: waits.during,
    workspace,
    cache: new BlobCache(folder),
    stores: () =>
      (stores ??= import('./args/open-stores.ts').then(({ openStores }) => {
        opened = openStores(invocation, output, { ...world, folder, signal, waiting: waits.during, onEvent });
        return opened;
      })),
    onEvent,
    canAsk: world.stderr.isTTY === true && !env['CI'] && !invocation.flag('no-input') && world.stdinIsTTY(),
    ask: world.ask,
    stdin: () => waits.during('read stdin', world.stdin({ maxBytes: MAX_INPUT_BYTES, signal })),
  };
  return { context, close: async () => (await stores?.catch(() => undefined))?.close() };
}
