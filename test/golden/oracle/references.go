//go:build ignore

// References answers what distribution/reference makes of each string.
// Input: a JSON string a line. Output: a JSON object a line, in the same order.
//
//	go run reference-inputs.go | go run references.go > ../references.jsonl
package main

import (
	"bufio"
	_ "crypto/sha256" // go-digest knows only the algorithms that are linked in,
	_ "crypto/sha512" // as every registry client has them (TLS)
	"encoding/json"
	"log"
	"os"

	"github.com/distribution/reference"
)

type refused struct {
	In    string `json:"in"`
	Error string `json:"error"`
}

type parsed struct {
	In       string `json:"in"`
	Domain   string `json:"domain"`
	Path     string `json:"path"`
	Tag      string `json:"tag,omitempty"`
	Digest   string `json:"digest,omitempty"`
	String   string `json:"string"`
	Tagged   string `json:"tagged"`
	Familiar string `json:"familiar"`
}

func answer(in string) any {
	named, err := reference.ParseNormalizedNamed(in)
	if err != nil {
		return refused{In: in, Error: err.Error()}
	}
	out := parsed{
		In:       in,
		Domain:   reference.Domain(named),
		Path:     reference.Path(named),
		String:   named.String(),
		Tagged:   reference.TagNameOnly(named).String(),
		Familiar: reference.FamiliarString(named),
	}
	if t, ok := named.(reference.Tagged); ok {
		out.Tag = t.Tag()
	}
	if d, ok := named.(reference.Digested); ok {
		out.Digest = d.Digest().String()
	}
	return out
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var in string
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			log.Fatalf("%s: %v", lines.Text(), err)
		}
		if err := out.Encode(answer(in)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
