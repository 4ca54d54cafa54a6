// Writes docs/cli.md from the commands as they are declared; with --check it only tells whether that has been done.
import { build } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'docs/cli.md');

const bundle = await build({
  stdin: {
    contents:
      "export { commands } from './src/cli/commands/commands.ts'; export { globalOptions, optionsOf } from './src/cli/args/global-options.ts';",
    resolveDir: root,
  },
  bundle: true,
  write: false,
  platform: 'node',
  format: 'esm',
  external: ['./commands/*'],
});
const { commands, globalOptions, optionsOf } = await import(
  `data:text/javascript,${encodeURIComponent(bundle.outputFiles[0].text)}`
);

function code(text) {
  return `\`${text}\``;
}

function row({ name, alias, value, repeat, describe }) {
  const names = `${alias === undefined ? '' : `-${alias}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
  return `| ${code(names.replaceAll('|', '\\|'))} | ${describe.replaceAll('|', '\\|')}${repeat === true ? '; repeatable' : ''} |`;
}

function table(options) {
  return ['| option | |', '| --- | --- |', ...options.map(row)].join('\n');
}

function section(command) {
  const common = new Set(globalOptions.map(({ name }) => name));
  const own = optionsOf(command).filter(({ name }) => !common.has(name));
  const parts = [
    `## mlist ${command.name}`,
    code(`mlist ${command.name} ${command.usage}`.trim()),
    `${command.summary}.`,
  ];
  if (own.length > 0) parts.push(table(own));
  if (command.examples.length > 0) {
    parts.push(['```sh', ...command.examples.map(([line, what]) => `# ${what}\n${line}`), '```'].join('\n'));
  }
  return parts.join('\n\n');
}

const text = `${[
  '# Commands',
  'Made from the declarations in `src/cli/commands-*.ts` by `node .tools/docs.js`; `npm run check` fails where the two differ.',
  '## Options of every command',
  table(globalOptions),
  ...commands.map(section),
].join('\n\n')}\n`;

if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('docs/cli.md is not what the commands say: run node .tools/docs.js');
  process.exitCode = 1;
}
