/** The scripts that connect a shell's completion with `mlist --complete`. */
export const shells = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof shells)[number];

/**
 * bash cuts words at ":" and "=", which names of lists hold: the line is cut at blanks instead, and of each candidate
 * only what follows the last cut is given back.
 */
const bash = `_mlist() {
  local line="\${COMP_LINE:0:COMP_POINT}" words=() typing candidate
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  typing="\${words[\${#words[@]}-1]}"
  typing="\${typing%"\${typing##*[:=]}"}"
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate#"$typing"}")
  done < <(mlist --complete "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _mlist mlist
`;

const zsh = `#compdef mlist
_mlist() {
  local -a found
  found=("\${(@f)$(mlist --complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found" ]] && compadd -a found || _files
}
compdef _mlist mlist
`;

const fish = `complete -c mlist -f -a '(mlist --complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`;

const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };

export function completionScript(shell: Shell): string {
  return scripts[shell];
}
