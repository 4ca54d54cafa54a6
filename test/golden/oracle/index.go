//go:build ignore

// Index reads what capture.go wrote, adds lists that encoding/json makes of the same structures (for what no tool
// writes or accepts), and writes them all as one JSON array. The parsed form beside the bytes has its keys in
// descending order, so that a reader who copies the order he finds does not get the bytes right by luck.
//
//	go run capture.go 127.0.0.1:5000 oci | go run index.go oci > ../oci-indexes.json
package main

import (
	"bytes"
	_ "crypto/sha256" // go-digest knows only the algorithms that are linked in
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// list is Docker's manifest list, its members in the order in which the Docker CLI writes them.
type list struct {
	SchemaVersion int     `json:"schemaVersion"`
	MediaType     string  `json:"mediaType"`
	Manifests     []entry `json:"manifests"`
}

type entry struct {
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	Digest    digest.Digest `json:"digest"`
	Platform  platform      `json:"platform"`
}

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	Features     []string `json:"features,omitempty"`
}

// sample is a line of the input, then an element of the output.
type sample struct {
	Name      string          `json:"name"`
	Tool      string          `json:"tool"`
	Manifests json.RawMessage `json:"manifests,omitempty"`
	Index     json.RawMessage `json:"index,omitempty"`
	Bytes     string          `json:"bytes"`
	Digest    digest.Digest   `json:"digest"`
}

const (
	escaped  = "<>&\u2028\u2029\"\\/\b\f\n\r\t\x00\x01\x0b\x0e\x1f\x7f'`=+"
	unicode  = "\u0080\u009f\u00a0é\u2027\u202a\ud7ff\ue000\ufdd0\ufeff\ufffd\ufffe\uffff\U00010000\U0001f600\U0010ffff"
	greatest = 1<<53 - 1 // beyond it a JavaScript number is not exact
)

func dockerEntry(p platform) entry {
	return entry{MediaType: dockerManifest, Size: 1234, Digest: digest.FromString(fmt.Sprint(p)), Platform: p}
}

func dockerLists() map[string][]entry {
	mixed := dockerEntry(platform{Architecture: "arm64", OS: "linux", Variant: "v8"})
	mixed.MediaType = v1.MediaTypeImageManifest
	small, large, odd := dockerEntry(platform{Architecture: "amd64", OS: "linux"}), dockerEntry(platform{Architecture: "386", OS: "linux"}), dockerEntry(platform{Architecture: "arm", OS: "linux"})
	small.Size, large.Size = 0, greatest
	odd.MediaType, odd.Digest = "application/vnd.x+json; a=<b>&c", "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"
	var alphabet []entry
	for _, r := range "\x00\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\f\r\x0e\x0f\x10\x1b\x1f !\"#%&'/<=>?@[\\]^_`{|}~\x7f" + unicode {
		alphabet = append(alphabet, dockerEntry(platform{Architecture: "amd64", OS: "linux", OSVersion: "a" + string(r) + "b"}))
	}
	return map[string][]entry{
		"go-no-entries":      {},
		"go-empty-platform":  {dockerEntry(platform{})},
		"go-empty-members":   {dockerEntry(platform{Architecture: "amd64", OS: "linux", OSFeatures: []string{}, Features: []string{}}), dockerEntry(platform{Architecture: "amd64", OS: "linux", OSFeatures: []string{""}, Features: []string{""}})},
		"go-features":        {dockerEntry(platform{Architecture: "amd64", OS: "linux", Features: []string{"sse4", "a<b"}}), dockerEntry(platform{"amd64", "windows", "10.0.20348.2402", []string{"win32k", "b", "a"}, "v2", []string{"z", "y"}})},
		"go-escaped":         {dockerEntry(platform{escaped, escaped, escaped, []string{escaped, escaped}, escaped, []string{escaped}})},
		"go-unicode":         {dockerEntry(platform{unicode, unicode, unicode, []string{unicode, "😀", "～"}, unicode, nil})},
		"go-each-character":  alphabet,
		"go-mixed-types":     {dockerEntry(platform{Architecture: "amd64", OS: "linux"}), mixed},
		"go-sizes-and-types": {small, large, odd},
	}
}

func ociEntry(content string) v1.Descriptor {
	return v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString(content), Size: int64(len(content))}
}

func ociIndexes() map[string]v1.Index {
	on := func(d v1.Descriptor, p v1.Platform) v1.Descriptor {
		d.Platform = &p
		return d
	}
	with := func(change func(*v1.Descriptor)) v1.Descriptor {
		d := on(ociEntry("{}"), v1.Platform{Architecture: "amd64", OS: "linux"})
		change(&d)
		return d
	}
	keys := map[string]string{}
	for _, k := range []string{"", "10", "9", "1", "01", "-1", "1.5", "4294967295", "a", "A", "aa", "a.b", "a-b", "a_b", "a/b", "é", "e\u0301", "～", "😀", "\ue000", "\uffff", "\U00010000", "__proto__", "constructor", "toString", "length", escaped, unicode} {
		keys[k] = "value of " + k
	}
	every := with(func(d *v1.Descriptor) {
		d.URLs = []string{"https://x.example/a?b=1&c=<2>", "http://y.example/"}
		d.Annotations = map[string]string{"b": "2", "a": "1"}
		d.Data = []byte("{}")
		d.ArtifactType = "application/vnd.example+json"
		d.Platform = &v1.Platform{Architecture: "amd64", OS: "windows", OSVersion: "10.0.20348.2402", OSFeatures: []string{"win32k", "b", "a"}, Variant: "v2"}
	})
	plain := with(func(*v1.Descriptor) {})
	entries := map[string][]v1.Descriptor{
		"go-no-entries":     {},
		"go-plain":          {plain},
		"go-no-platform":    {ociEntry("{}"), plain},
		"go-empty-platform": {on(ociEntry("a"), v1.Platform{}), on(ociEntry("b"), v1.Platform{OSFeatures: []string{}}), on(ociEntry("c"), v1.Platform{OSFeatures: []string{""}})},
		"go-every-member":   {every, plain, every},
		"go-empty-members":  {with(func(d *v1.Descriptor) { d.URLs, d.Annotations, d.Data = []string{}, map[string]string{}, []byte{} })},
		"go-urls": {with(func(d *v1.Descriptor) { d.URLs = []string{""} }), with(func(d *v1.Descriptor) {
			d.URLs = []string{"https://x.example/" + escaped, "https://x.example/" + unicode}
		})},
		"go-annotation-order": {with(func(d *v1.Descriptor) { d.Annotations = keys })},
		"go-escaped":          {on(ociEntry("e"), v1.Platform{Architecture: escaped, OS: escaped, OSVersion: escaped, OSFeatures: []string{escaped}, Variant: escaped})},
		"go-unicode":          {on(ociEntry("u"), v1.Platform{Architecture: unicode, OS: unicode, OSVersion: unicode, OSFeatures: []string{unicode}, Variant: unicode})},
		"go-artifacts":        {with(func(d *v1.Descriptor) { d.Platform, d.ArtifactType = nil, "application/vnd.example.thing+json" }), with(func(d *v1.Descriptor) { d.MediaType, d.Platform = v1.MediaTypeImageIndex, nil })},
		"go-attestation": {plain, with(func(d *v1.Descriptor) {
			d.Platform = &v1.Platform{Architecture: "unknown", OS: "unknown"}
			d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": plain.Digest.String()}
		})},
		"go-sizes-and-types": {with(func(d *v1.Descriptor) { d.Size = 0 }), with(func(d *v1.Descriptor) { d.Size = greatest }), with(func(d *v1.Descriptor) { d.Digest = digest.SHA512.FromString("{}") }), with(func(d *v1.Descriptor) { d.MediaType = "application/vnd.x+json; a=<b>&c" })},
	}
	for n, content := range []string{"a", "ab", "abc", "\xfb\xff\xfe\xfb\xef\xbe", strings.Repeat("{\"a\":\"<&>\"}", 20)} {
		d := ociEntry(content)
		d.Data = []byte(content)
		name := "go-data"
		if n > 0 {
			name = fmt.Sprintf("go-data-%d", n+1)
		}
		entries[name] = []v1.Descriptor{d}
	}
	out := map[string]v1.Index{}
	for name, manifests := range entries {
		out[name] = v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: manifests}
	}
	subject := every
	out["go-subject"] = v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{plain}, Subject: &plain}
	out["go-all-of-it"] = v1.Index{MediaType: v1.MediaTypeImageIndex, ArtifactType: "application/vnd.example.index+json", Manifests: []v1.Descriptor{every, plain}, Subject: &subject, Annotations: keys}
	out["go-index-annotations"] = v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{plain}, Annotations: keys}
	out["go-index-empty-members"] = v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{plain}, Annotations: map[string]string{}}
	out["go-no-media-type"] = v1.Index{Manifests: []v1.Descriptor{plain}}
	return out
}

// descending writes a JSON value again, the members of its objects in descending order.
func descending(value []byte) json.RawMessage {
	var members map[string]json.RawMessage
	var elements []json.RawMessage
	var out []string
	switch value[0] {
	case '{':
		check(json.Unmarshal(value, &members))
		for _, key := range slices.Backward(slices.Sorted(maps.Keys(members))) {
			out = append(out, string(encode(key))+":"+string(descending(members[key])))
		}
		return json.RawMessage("{" + strings.Join(out, ",") + "}")
	case '[':
		check(json.Unmarshal(value, &elements))
		for _, element := range elements {
			out = append(out, string(descending(element)))
		}
		return json.RawMessage("[" + strings.Join(out, ",") + "]")
	}
	return value
}

// encode is for the golden file itself, not for the lists in it: readable, no escapes for HTML.
func encode(value any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	check(enc.Encode(value))
	return bytes.TrimSpace(out.Bytes())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 2 || os.Args[1] != "docker" && os.Args[1] != "oci" {
		log.Fatal("usage: index docker|oci")
	}
	docker := os.Args[1] == "docker"
	var samples []sample
	for lines := json.NewDecoder(os.Stdin); lines.More(); {
		var s sample
		check(lines.Decode(&s))
		samples = append(samples, s)
	}
	add := func(name string, list []byte, err error) {
		check(err)
		samples = append(samples, sample{Name: name, Tool: "go", Bytes: string(list), Digest: digest.FromBytes(list)})
	}
	if docker {
		lists := dockerLists()
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			list, err := json.MarshalIndent(list{2, dockerList, lists[name]}, "", "   ")
			add(name, list, err)
		}
	} else {
		indexes := ociIndexes()
		for _, name := range slices.Sorted(maps.Keys(indexes)) {
			index := indexes[name]
			index.Versioned = specs.Versioned{SchemaVersion: 2}
			list, err := json.Marshal(index)
			add(name, list, err)
		}
	}
	var out [][]byte
	for _, s := range samples {
		if s.Digest != digest.FromString(s.Bytes) {
			log.Fatalf("%s: the bytes are not of %s", s.Name, s.Digest)
		}
		if docker {
			var parsed struct{ Manifests json.RawMessage }
			check(json.Unmarshal([]byte(s.Bytes), &parsed))
			s.Manifests = descending(parsed.Manifests)
		} else {
			s.Index = descending([]byte(s.Bytes))
		}
		out = append(out, encode(s))
	}
	fmt.Printf("[\n%s\n]\n", bytes.Join(out, []byte(",\n")))
}
