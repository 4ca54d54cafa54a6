/** The scripts that connect a shell's completion with `mlist --complete`. */
export const shells = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof shells)[number];

const scripts: Readonly<Record<Shell, string>> = {
  bash: `_mlist() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(mlist --complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _mlist mlist
`,
  zsh: `#compdef mlist
_mlist() {
  local -a found
  found=("\${(@f)$(mlist --complete "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)}")
  compadd -a found || _files
}
compdef _mlist mlist
`,
  fish: `complete -c mlist -f -a '(mlist --complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

export function completionScript(shell: Shell): string {
  return scripts[shell];
}
