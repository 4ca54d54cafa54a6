// Creates a list from images that were pushed by digest, and pushes it.
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ActionError,
  addSummary,
  annotate,
  flag,
  input,
  lines,
  log,
  run,
  setOutput,
  variable,
  withoutCommands,
} from '../lib/workflow.js';
import { runProgram } from '../lib/program.js';
import { summaryOf } from './summary.js';

await run('Merge images into a list', async () => {
  // A workspace of its own, so that the draft of another step or run has no influence.
  const workspace = await mkdtemp(join(variable('RUNNER_TEMP'), 'mlist-merge-'));
  try {
    const isDryRun = flag('dry-run', false);
    const hasSummary = flag('summary', true);
    const mlist = programIn(workspace);
    const created = JSON.parse(await mlist(createArguments(isDryRun), input('images')));
    const { list, image, digest, platforms } = resultOf(created);
    for (const [name, value] of Object.entries({ digest, list, image, platforms: platforms.join(',') })) {
      setOutput(name, value);
    }
    log(`${isDryRun ? 'Would push' : 'Pushed'} ${digest}`);
    if (hasSummary) await summarize({ mlist, created, image, isDryRun });
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
});

/** Every value is part of an argument that begins with its option, so no value can be read as an option. */
function createArguments(isDryRun) {
  const [list, folder, repo, images] = ['list', 'digests-dir', 'repo', 'images'].map(input);
  const metadata = input('docker-metadata');
  if (list === '' && metadata === '') throw new ActionError('the input "list" or "docker-metadata" is required');
  if (folder === '' && images === '') throw new ActionError('the input "digests-dir" or "images" is required');
  const expected = lines('expect').join(',');
  return [
    'create',
    '--push',
    ...(isDryRun ? ['--dry-run'] : []),
    ...options(),
    ...(list === '' ? [] : [`--list=${list}`]),
    ...(folder === '' ? [] : [`--digests-dir=${folder}`]),
    ...(images === '' ? [] : ['--file=-']),
    ...(repo === '' ? [] : [`--repo=${repo}`]),
    ...(expected === '' ? [] : [`--expect=${expected}`]),
    ...lines('tags').map((tag) => `--tag=${tag}`),
    ...lines('annotations').map((annotation) => `--index-annotation=${annotation}`),
    ...(metadata === '' ? [] : ['--docker-metadata=env']),
  ];
}

function options() {
  const given = lines('options');
  const wrong = given.find((line) => !/^--[a-z]/.test(line));
  if (wrong === undefined) return given;
  throw new ActionError(
    `the input "options" takes one option per line, such as --strict, not ${JSON.stringify(wrong)}`,
  );
}

/** Runs mlist and returns its stdout. Its messages are printed as they arrive. */
function programIn(workspace) {
  const env = {
    ...process.env,
    MLIST_LIST: '',
    MLIST_WORKSPACE: workspace,
    DOCKER_METADATA_OUTPUT_JSON: input('docker-metadata'),
  };
  const debug = process.env.RUNNER_DEBUG === '1' ? ['--debug'] : [];
  return async (args, stdin = '') => {
    const errors = [];
    const { code, stdout } = await withoutCommands((print) =>
      runProgram('mlist', [...args, '--json', '--progress=plain', '--no-input', ...debug], {
        env,
        stdin,
        onStderr: (line) => {
          const error = errorIn(line);
          if (error !== undefined) errors.push(error);
          print(error ?? line);
        },
      }),
    );
    if (code !== 0) throw new ActionError(errors.join('\n') || `"mlist ${args[0]}" ended with exit code ${code}`);
    return stdout;
  };
}

/** The text of an error that mlist prints as a JSON line; undefined for another line. */
function errorIn(line) {
  if (!line.startsWith('{')) return undefined;
  try {
    const { type, code, message, hint, problems = [] } = JSON.parse(line);
    if (type !== 'error') return undefined;
    const details =
      problems.length < 2
        ? []
        : problems.map(({ rule, pointer, message: text }) => `${rule} ${pointer || '/'}: ${text}`);
    return [`${message} (${code})`, ...details, ...(hint === undefined ? [] : [`hint: ${hint}`])].join('\n');
  } catch {
    return undefined;
  }
}

function resultOf({ ref, entries, pushed }) {
  const { digest } = pushed;
  const platforms = entries.flatMap(({ platformName, attests }) =>
    platformName === undefined || attests !== undefined ? [] : [platformName],
  );
  return { list: ref, digest, image: `${ref.replace(/:[^/:]+$/, '')}@${digest}`, platforms: [...new Set(platforms)] };
}

/** Adds the summary. The tags have been moved by now, so a failure here is only a warning. */
async function summarize({ mlist, created, image, isDryRun }) {
  try {
    const before = created.pushed.targets[0]?.before;
    const repository = image.slice(0, image.indexOf('@'));
    const isReplaced = !isDryRun && before !== undefined && before !== 'absent' && before !== created.pushed.digest;
    const difference = isReplaced ? JSON.parse(await mlist(['diff', image, `${repository}@${before}`])) : undefined;
    addSummary(summaryOf({ created, difference, isDryRun }));
  } catch (error) {
    annotate('warning', 'Merge images into a list', `The summary cannot be written: ${error.message}`);
  }
}
