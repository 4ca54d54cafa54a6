// Installs mlist into the tool cache of the runner, and adds it to PATH.
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ActionError, addPath, annotate, flag, input, log, run, setOutput, variable } from '../lib/workflow.js';
import { runProgram } from '../lib/program.js';
import { installPackage } from './npm.js';
import { installRelease } from './release.js';

const sources = { release: installRelease, npm: installPackage };

await run('Set up mlist', async () => {
  const request = {
    version: readVersion(),
    source: input('source') || 'release',
    isVerified: flag('verify', true),
    token: input('token'),
    // In a workflow that uses the action as a local folder, the action's repository is that of the workflow.
    repository: process.env.GITHUB_ACTION_REPOSITORY || variable('GITHUB_REPOSITORY'),
  };
  if (!Object.hasOwn(sources, request.source)) {
    throw new ActionError(`the input "source" must be "release" or "npm", not ${JSON.stringify(request.source)}`);
  }
  if (!request.isVerified) annotate('warning', 'Set up mlist', 'The build provenance of mlist is not verified.');
  const { folder, isCached } = await installed(request);
  addPath(folder);
  setOutput('version', request.version);
  setOutput('path', folder);
  setOutput('cache-hit', String(isCached));
  log(`mlist ${request.version} is in ${folder}`);
});

/** The requested version without the prefix "v". It is exact, so that a job installs the same program every time. */
function readVersion() {
  const version = input('version').replace(/^v/, '') || ownVersion();
  if (/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version)) return version;
  throw new ActionError(`the input "version" must be an exact version such as 1.2.3, not ${JSON.stringify(version)}`);
}

/** The action is part of the repository of mlist, so its version is in package.json. */
function ownVersion() {
  return JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version;
}

/** The folder with the program, in the layout of the runner's tool cache: TOOL/VERSION/ARCH and a file ARCH.complete. */
async function installed(request) {
  const { version, source, repository, isVerified } = request;
  const parent = join(variable('RUNNER_TOOL_CACHE'), source === 'npm' ? 'mlist-npm' : 'mlist', version);
  const folder = join(parent, process.arch);
  const marker = `${folder}.complete`;
  const found = readMarker(marker);
  if (found?.repository === repository && (found.isVerified || !isVerified) && existsSync(folder)) {
    return { folder: programFolder(folder, source), isCached: true };
  }
  await mkdir(variable('RUNNER_TEMP'), { recursive: true });
  const work = await mkdtemp(join(variable('RUNNER_TEMP'), 'mlist-setup-'));
  try {
    const made = await sources[source](request, work);
    await checkVersion(join(programFolder(made, source), executable()), version);
    await mkdir(parent, { recursive: true });
    await rm(marker, { force: true });
    await rm(folder, { recursive: true, force: true });
    // The temporary folder may be on another file system, so the files are copied before the rename.
    const staged = `${folder}.${process.pid}`;
    await cp(made, staged, { recursive: true, verbatimSymlinks: true });
    await rename(staged, folder);
    await writeFile(marker, JSON.stringify({ repository, isVerified }));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { folder: programFolder(folder, source), isCached: false };
}

function readMarker(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The folder for PATH: that of the executable, or that of the programs of an npm package. */
function programFolder(folder, source) {
  return source === 'npm' ? join(folder, 'node_modules', '.bin') : folder;
}

function executable() {
  return process.platform === 'win32' ? 'mlist.exe' : 'mlist';
}

/** Runs the program once, so that one for another system or version fails here and not in a later step. */
async function checkVersion(program, version) {
  const { code, stdout, stderr } = await runProgram(program, ['--version']);
  if (code !== 0)
    throw new ActionError(`mlist ${version} does not run on this system: ${stderr.trim() || `exit ${code}`}`);
  const found = stdout.trim().split(/\s+/).at(-1);
  if (found !== version) throw new ActionError(`the program reports version ${found} instead of ${version}`);
}
