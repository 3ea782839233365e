// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completion returns a script that completes commands and flags in a shell: a
// list made from the command tree, so that it cannot fall behind it.
func completion(shell string, root *kong.Node) (string, error) {
	words := map[string][]string{}
	collect(root, "", words)
	var b strings.Builder
	switch shell {
	case "bash", "zsh":
		if shell == "zsh" {
			b.WriteString("#compdef accord\nautoload -U +X bashcompinit && bashcompinit\n")
		}
		known := slices.DeleteFunc(sortedKeys(words), func(path string) bool { return path == "" })
		fmt.Fprintf(&b, "_accord() {\n  local path=\"\" word words\n  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"+
			"    case \"$path $word\" in %s) path=\"$path $word\" ;; esac\n  done\n  case \"$path\" in\n", `"`+strings.Join(known, `"|"`)+`"`)
		for _, path := range sortedKeys(words) {
			fmt.Fprintf(&b, "    %q) words=%q ;;\n", path, strings.Join(words[path], " "))
		}
		b.WriteString("    *) words=\"\" ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n" +
			"  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -F _accord accord\n")
	case "fish":
		for _, path := range sortedKeys(words) {
			parts := strings.Fields(path)
			when := "__fish_use_subcommand"
			if len(parts) > 0 {
				when = "__fish_seen_subcommand_from " + parts[len(parts)-1]
			}
			for _, w := range words[path] {
				if long, flag := strings.CutPrefix(w, "--"); flag {
					fmt.Fprintf(&b, "complete -c accord -n %q -l %s\n", when, long)
				} else {
					fmt.Fprintf(&b, "complete -c accord -n %q -f -a %s\n", when, w)
				}
			}
		}
	default:
		return "", fmt.Errorf("shell %q: want bash, zsh or fish", shell)
	}
	return b.String(), nil
}

// collect gathers what may follow each command path.
func collect(n *kong.Node, path string, words map[string][]string) {
	for _, c := range n.Children {
		if c.Hidden {
			continue
		}
		words[path] = append(words[path], c.Name)
		words[path+" "+c.Name] = nil
		collect(c, path+" "+c.Name, words)
	}
	for _, p := range n.Positional {
		if p.Enum != "" {
			words[path] = append(words[path], strings.Split(p.Enum, ",")...)
		}
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			words[path] = append(words[path], "--"+f.Name)
		}
	}
}
