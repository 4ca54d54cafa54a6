/** The shells for which there is a completion script. The scripts call `mlist --complete`. */
export const shells = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof shells)[number];

/**
 * bash splits words at ":" and "=", which occur in references. The script therefore splits the line at blanks. From
 * each candidate, it removes the part up to the last ":" or "=" of the incomplete word. It quotes candidates, because
 * bash inserts them unchanged, and a path in a draft of another user may contain a command.
 */
const bash = `_mlist() {
  local line="\${COMP_LINE:0:COMP_POINT}" words=() typing candidate
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  typing="\${words[\${#words[@]}-1]}"
  typing="\${typing%"\${typing##*[:=]}"}"
  COMPREPLY=()
  while IFS= read -r candidate; do
    [[ $candidate == *[^A-Za-z0-9_./:@=,+%~-]* ]] && printf -v candidate %q "$candidate"
    COMPREPLY+=("\${candidate#"$typing"}")
  done < <(mlist --complete "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _mlist mlist
`;

/**
 * If zsh autoloads the script from its fpath, it runs the file as the function `_mlist` for the first completion. The
 * last line then calls the function that the file has just defined.
 */
const zsh = `#compdef mlist
_mlist() {
  local -a found
  found=("\${(@f)$(mlist --complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found" ]] && compadd -a found || _files
}
if [[ \${funcstack[1]} == _mlist ]]; then _mlist "$@"; else compdef _mlist mlist; fi
`;

const fish = `function __mlist_complete
  set -l typing (commandline -ct)
  set -l found (mlist --complete (commandline -opc)[2..] "$typing" 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path "$typing"
  end
end
complete -c mlist -f -a '(__mlist_complete)'
`;

const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };

export function completionScript(shell: Shell): string {
  return scripts[shell];
}
