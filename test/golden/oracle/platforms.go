//go:build ignore

// Platforms answers what containerd/platforms makes of specifiers, of platforms, of the entries of a list.
// Input: a JSON value a line. Output: a JSON object a line, in the same order.
// Run it as linux/amd64, since a specifier of one part is completed from the host.
//
//	go run platform-inputs.go parse     | go run platforms.go parse     > ../platform-parse.jsonl
//	go run platform-inputs.go normalize | go run platforms.go normalize > ../platform-normalize.jsonl
//	go run platform-inputs.go select    | go run platforms.go select    > ../platform-select.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"runtime"
	"sort"

	"github.com/containerd/platforms"
	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

type refused struct {
	In    string `json:"in"`
	Error string `json:"error"`
}

type parsed struct {
	In         string         `json:"in"`
	Platform   specs.Platform `json:"platform"`
	Format     string         `json:"format"`
	FormatAll  string         `json:"formatAll"`
	Normalized specs.Platform `json:"normalized"`
}

type normalized struct {
	Platform   specs.Platform `json:"platform"`
	Normalized specs.Platform `json:"normalized"`
	Format     string         `json:"format"`
	FormatAll  string         `json:"formatAll"`
}

type selected struct {
	Entries []*specs.Platform `json:"entries"`
	Wanted  specs.Platform    `json:"wanted"`
	Best    int               `json:"best"`
	Order   []int             `json:"order"`
}

func parse(in string) any {
	p, err := platforms.Parse(in)
	if err != nil {
		return refused{In: in, Error: err.Error()}
	}
	return parsed{In: in, Platform: p, Format: platforms.Format(p), FormatAll: platforms.FormatAll(p), Normalized: platforms.Normalize(p)}
}

func normalize(p specs.Platform) any {
	return normalized{Platform: p, Normalized: platforms.Normalize(p), Format: platforms.Format(p), FormatAll: platforms.FormatAll(p)}
}

// choose picks as containerd picks a manifest of an index: what does not match is out, the rest is sorted
// by preference, equals keep their order, and an entry without a platform may always run but comes last.
func choose(s selected) any {
	wanted := platforms.Only(s.Wanted)
	s.Best, s.Order = -1, []int{}
	for i, p := range s.Entries {
		if p == nil || wanted.Match(*p) {
			s.Order = append(s.Order, i)
		}
	}
	sort.SliceStable(s.Order, func(a, b int) bool {
		p, q := s.Entries[s.Order[a]], s.Entries[s.Order[b]]
		if p == nil || q == nil {
			return p != nil
		}
		return wanted.Less(*p, *q)
	})
	if len(s.Order) > 0 {
		s.Best = s.Order[0]
	}
	return s
}

// answer reads one T and writes what ask says of it.
func answer[T any](ask func(T) any) func([]byte) any {
	return func(line []byte) any {
		var in T
		if err := json.Unmarshal(line, &in); err != nil {
			log.Fatalf("%s: %v", line, err)
		}
		return ask(in)
	}
}

func main() {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" || len(os.Args) != 2 {
		log.Fatal("usage, on linux/amd64: platforms parse|normalize|select")
	}
	ask := map[string]func([]byte) any{
		"parse":     answer(parse),
		"normalize": answer(normalize),
		"select":    answer(choose),
	}[os.Args[1]]
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		if err := out.Encode(ask(lines.Bytes())); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
