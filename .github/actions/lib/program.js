// Runs other programs without a shell.
import { spawn } from 'node:child_process';
import { ActionError } from './workflow.js';

/**
 * Runs a program and collects its output.
 * @param {string} program - a name on PATH, or a path
 * @param {readonly string[]} args
 * @param {{ env?: object, cwd?: string, stdin?: string, onStderr?: (text: string) => void }} options - `onStderr` receives
 *   complete lines as they arrive
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>} `code` is 1 if a signal ended the program
 * @throws ActionError if the program is not installed
 */
export function runProgram(program, args, { env = process.env, cwd, stdin = '', onStderr } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr, onStderr);
    child.on('error', (error) => {
      const isMissing = error.code === 'ENOENT';
      reject(isMissing ? new ActionError(`${program} is not installed, or not on PATH`) : error);
    });
    child.on('close', (code) => resolve({ code: code ?? 1, stdout: stdout(), stderr: stderr() }));
    // The program may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
  });
}

/** Collects the text of a stream, and passes each of its lines to `onLine`. */
function collect(stream, onLine) {
  let text = '';
  let printed = 0;
  stream.setEncoding('utf8');
  const print = (end) => {
    if (onLine === undefined || end <= printed) return;
    for (const line of text.slice(printed, end).replace(/\n$/, '').split('\n')) onLine(line);
    printed = end;
  };
  stream.on('data', (chunk) => {
    text += chunk;
    print(text.lastIndexOf('\n') + 1);
  });
  stream.on('end', () => print(text.length));
  return () => text;
}
