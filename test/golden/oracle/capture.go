//go:build ignore

// Capture has docker, oras and buildah push lists to an empty registry on loopback and writes, a JSON object a line,
// the bytes that the registry then holds. The three tools must be in PATH. Run it in a module that requires
// image-spec v1.1.1 (see ../README.md):
//
//	go run capture.go 127.0.0.1:5000 docker | go run index.go docker > ../docker-lists.json
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// child is an image to be put into a list. What its config says of the platform is taken over by the tools.
type child struct {
	name         string
	platform     string // JSON
	artifactType string
	layers       int // one, if not said
}

// scene is a list to be made. In the arguments of run, $LIST is the list, $REPO its repository,
// $name a child's digest, $name_size its size, $name_data its content in base64. A base is pushed beforehand, with the tag base.
type scene struct {
	name     string
	tool     string
	children []child
	base     string
	run      [][]string
}

// captured is what came of it.
type captured struct {
	Name   string `json:"name"`
	Tool   string `json:"tool"`
	Bytes  string `json:"bytes"`
	Digest string `json:"digest"`
}

type registry string

func (r registry) send(method, address, mediaType string, body []byte) *http.Response {
	if !strings.HasPrefix(address, "http") {
		address = "http://" + string(r) + "/v2/" + address
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	check(err)
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	res, err := http.DefaultClient.Do(req)
	check(err)
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(res.Body)
		log.Fatalf("%s %s: %s %s", method, address, res.Status, text)
	}
	return res
}

func (r registry) putBlob(repo, mediaType string, blob []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	at, err := url.Parse(r.send("POST", repo+"/blobs/uploads/", "", nil).Header.Get("Location"))
	check(err)
	query := at.Query()
	query.Set("digest", d.Digest.String())
	at.RawQuery = query.Encode()
	r.send("PUT", at.String(), "application/octet-stream", blob)
	return d
}

func (r registry) putManifest(repo, tag, mediaType string, manifest []byte) v1.Descriptor {
	r.send("PUT", repo+"/manifests/"+tag, mediaType, manifest)
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(manifest), Size: int64(len(manifest)), Data: manifest}
}

func (r registry) putChild(repo, tag string, c child, docker bool) v1.Descriptor {
	types := []string{v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip}
	if docker {
		types = []string{dockerManifest, dockerConfig, dockerLayer}
	}
	config := []byte(strings.TrimSuffix(c.platform, "}") + `,"config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)
	if c.artifactType != "" {
		types[1], config = v1.MediaTypeEmptyJSON, []byte("{}")
	}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: types[0], ArtifactType: c.artifactType}
	m.Config = r.putBlob(repo, types[1], config)
	for i := range max(1, c.layers) {
		m.Layers = append(m.Layers, r.putBlob(repo, types[2], fmt.Appendf(nil, "layer %d of %s\n", i, c.name)))
	}
	manifest, err := json.Marshal(m)
	check(err)
	return r.putManifest(repo, tag, types[0], manifest)
}

// perform pushes the children, runs the tool, and reads what it pushed.
func (r registry) perform(s scene) captured {
	repo := "golden/" + s.name
	names := map[string]string{"REPO": string(r) + "/" + repo, "LIST": string(r) + "/" + repo + ":list"}
	for _, c := range s.children {
		d := r.putChild(repo, c.name, c, s.tool == "docker")
		names[c.name], names[c.name+"_size"], names[c.name+"_data"] = d.Digest.String(), fmt.Sprint(d.Size), base64.StdEncoding.EncodeToString(d.Data)
	}
	expand := func(text string) string {
		return os.Expand(text, func(name string) string {
			if value, ok := names[name]; ok {
				return value
			}
			log.Fatalf("%s: what is $%s?", s.name, name)
			return ""
		})
	}
	if s.base != "" {
		r.putManifest(repo, "base", v1.MediaTypeImageIndex, []byte(expand(s.base)))
	}
	dir, err := os.MkdirTemp("", "capture")
	check(err)
	defer os.RemoveAll(dir)
	check(os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o600))
	var said []byte
	for _, args := range s.run {
		for i := range args {
			args[i] = expand(args[i])
		}
		if s.tool == "buildah" {
			args = append([]string{"--storage-driver=vfs", "--root=" + filepath.Join(dir, "root"), "--runroot=" + filepath.Join(dir, "run")}, args...)
		}
		cmd := exec.Command(s.tool, args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir)
		cmd.Stderr = os.Stderr
		if said, err = cmd.Output(); err != nil {
			log.Fatalf("%s: %q: %v", s.name, args, err)
		}
	}
	mediaType := v1.MediaTypeImageIndex
	if s.tool == "docker" {
		mediaType = dockerList
	}
	body, err := io.ReadAll(r.send("GET", repo+"/manifests/list", mediaType, nil).Body)
	check(err)
	out := captured{Name: s.name, Tool: s.tool, Bytes: string(body), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(body))}
	if s.tool != "buildah" && !strings.Contains(string(said), out.Digest) {
		log.Fatalf("%s: %s said %q, the registry holds %s", s.name, s.tool, said, out.Digest)
	}
	return out
}

// docker makes a scene of docker's three steps: create, annotate each child as said, push.
func docker(name string, children []child, annotate ...[]string) scene {
	create := []string{"manifest", "create", "--insecure", "$LIST"}
	for _, c := range children {
		create = append(create, "$REPO:"+c.name)
	}
	run := [][]string{create}
	for _, flags := range annotate {
		run = append(run, append([]string{"manifest", "annotate", "$LIST"}, flags...))
	}
	return scene{name: name, tool: "docker", children: children, run: append(run, []string{"manifest", "push", "--insecure", "$LIST"})}
}

// images names children a, b, c and so on, from the JSON of their platforms.
func images(platforms ...string) []child {
	var out []child
	for i, p := range platforms {
		out = append(out, child{name: string(rune('a' + i)), platform: p})
	}
	return out
}

const (
	amd64   = `{"architecture":"amd64","os":"linux"}`
	arm64   = `{"architecture":"arm64","os":"linux","variant":"v8"}`
	armv7   = `{"architecture":"arm","os":"linux","variant":"v7"}`
	win2022 = `{"architecture":"amd64","os":"windows","os.version":"10.0.20348.2402"}`
	win2025 = `{"architecture":"amd64","os":"windows","os.version":"10.0.26100.1742","os.features":["win32k"]}`
)

func official() []string {
	return []string{
		amd64, `{"architecture":"arm","os":"linux","variant":"v5"}`, `{"architecture":"arm","os":"linux","variant":"v6"}`, armv7, arm64,
		`{"architecture":"386","os":"linux"}`, `{"architecture":"mips64le","os":"linux"}`, `{"architecture":"ppc64le","os":"linux"}`,
		`{"architecture":"riscv64","os":"linux"}`, `{"architecture":"s390x","os":"linux"}`, win2022, win2025,
	}
}

func dockerScenes() []scene {
	version := func(json string) string {
		return `{"architecture":"amd64","os":"windows","os.version":"` + json + `"}`
	}
	byDigest := docker("one-image-by-tag-and-by-digest", images(amd64))
	byDigest.run[0] = append(byDigest.run[0], "$REPO@$a")
	fileOrder := docker("file-name-order", []child{
		{name: "b", platform: amd64}, {name: "a_b", platform: arm64}, {name: "a.b", platform: armv7}, {name: "A", platform: win2022},
		{name: "a-b", platform: win2025}, {name: "a10", platform: `{"architecture":"s390x","os":"linux"}`}, {name: "a9", platform: `{"architecture":"ppc64le","os":"linux"}`},
	})
	return []scene{
		docker("one", images(amd64)),
		docker("amd64-arm64", images(amd64, arm64)),
		docker("ten-linux", images(official()[:10]...)),
		docker("twelve", images(official()...)),
		docker("windows-versions", images(version("10.0.17763.5830"), win2022, version("10.0.25398.709"), win2025, `{"architecture":"arm64","os":"windows","os.version":"10.0.26100.1742"}`)),
		docker("os-features", images(`{"architecture":"amd64","os":"linux","os.features":["b","a","b","A"]}`, `{"architecture":"arm64","os":"linux","os.features":["x"],"os.version":"5.10","variant":"v8"}`)),
		docker("empty-optional-members", images(`{"architecture":"amd64","os":"linux","os.version":"","os.features":[],"variant":""}`, `{"architecture":"arm64","os":"linux","os.features":["",""],"variant":" "}`)),
		docker("annotated", images(amd64, amd64, amd64),
			[]string{"$REPO:b", "--arch", "arm64", "--variant", "v8"},
			[]string{"$REPO:c", "--os", "windows", "--os-version", "10.0.20348.1", "--os-features", "win32k,b", "--os-features", "a"},
			[]string{"$REPO:c", "--os-features", "c"}),
		docker("annotated-html", images(amd64, arm64),
			[]string{"$REPO:a", "--os-version", "<&>", "--os-features", "<b>", "--os-features", "a&b", "--variant", "</script>"},
			[]string{"$REPO:b", "--os-version", "'=`", "--variant", "\\\"/"}),
		docker("annotated-controls", images(amd64, arm64),
			[]string{"$REPO:a", "--os-version", "\x01\x02\x07\b\t\n\v\f\r\x1b\x1f\x7f", "--variant", "\\b\\u0008"},
			[]string{"$REPO:b", "--os-features", "tab\there", "--os-features", "\u0080\u0085\u00a0\u00ad", "--os-version", "line\r\nline"}),
		docker("annotated-unicode", images(amd64, arm64),
			[]string{"$REPO:a", "--os-version", "a\u2028b\u2029c", "--os-features", "😀,～,é,e\u0301,\u200b,\ufeff"},
			[]string{"$REPO:b", "--variant", "中文ДЖ\U0010ffff\uffff\ufffe\ue000"}),
		docker("config-html", images(version("<&>"), `{"architecture":"<arch>","os":"o&s","os.version":"\u003c","os.features":["a>b"],"variant":"v<8"}`)),
		docker("config-quotes", images(version(`\"quoted\" \\back\\ \/slash/ 'single'`), `{"architecture":"a\"b","os":"c\\d","variant":"\/"}`)),
		docker("config-controls", images(version(`\u0000\u0001\b\t\n\u000b\f\r\u001f\u007f`), `{"architecture":"a\tb","os":"\u0007","os.features":["\b","\f","\u007f"]}`)),
		docker("config-unicode", images(version(`\u2028\u2029\u0085\ufeff\u00e9`), `{"architecture":"\ud83d\ude00","os":"～","os.features":["😀","\uff5e","\u2027","\u202a"],"variant":"𝒱"}`)),
		docker("config-half-surrogates", images(version(`a\ud800b\udc00c\ude00\ud83d`))),
		docker("unknown", images(amd64, `{"architecture":"unknown","os":"unknown"}`)),
		docker("wasm-and-others", images(`{"architecture":"wasm","os":"wasip1"}`, `{"architecture":"arm64","os":"freebsd"}`, `{"architecture":"loong64","os":"linux"}`, `{"architecture":"amd64","os":"linux","variant":"v3"}`)),
		docker("same-platform-twice", images(amd64, amd64)),
		byDigest,
		fileOrder,
		docker("sizes", []child{{name: "a", platform: amd64, layers: 1}, {name: "b", platform: arm64, layers: 60}, {name: "c", platform: armv7, layers: 600}}),
	}
}

func oras(verb string, args ...string) []string {
	return append([]string{"manifest", "index", verb, "--plain-http", "$LIST"}, args...)
}

func buildah(verb string, args ...string) []string {
	switch verb {
	case "add":
		args = append([]string{"--tls-verify=false"}, args...)
	case "push":
		args = append([]string{"--tls-verify=false", "--format=oci", "list", "docker://$LIST"}, args...)
	}
	return append([]string{"manifest", verb}, args...)
}

func ociScenes() []scene {
	plain := images(amd64, arm64, armv7)
	windows := images(win2022, win2025, `{"architecture":"amd64","os":"linux","os.version":"<5.10>","os.features":["b","a&b","b"]}`)
	artifact := child{name: "art", artifactType: "application/vnd.example.thing+json"}
	entry := func(name, members string) string {
		return `{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":"$` + name + `","size":${` + name + `_size}` + members + `}`
	}
	index := func(members string, entries ...string) string {
		return `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[` + strings.Join(entries, ",") + `]` + members + `}`
	}
	rich := index(`,"subject":`+entry("a", "")+`,"annotations":{"z":"1","a":"<2>"}`,
		entry("a", `,"platform":{"variant":"","os":"linux","architecture":"amd64"},"annotations":{"org.example.b":"2","org.example.a":"\u003c1\u003e"}`),
		entry("b", `,"urls":["https://x.example/a?b=1&c=2"],"data":"$b_data","platform":`+arm64+`,"artifactType":"application/vnd.example+json"`))
	return []scene{
		{name: "oras-plain", tool: "oras", children: plain, run: [][]string{oras("create", "b", "a", "c")}},
		{name: "oras-platforms", tool: "oras", children: images(official()...), run: [][]string{oras("create", strings.Split("l k j i h g f e d c b a", " ")...)}},
		{name: "oras-windows", tool: "oras", children: windows, run: [][]string{oras("create", "a", "b", "c")}},
		{name: "oras-empty", tool: "oras", run: [][]string{oras("create", "--annotation", "empty=yes")}},
		{name: "oras-annotations", tool: "oras", children: plain, run: [][]string{oras("create", "a", "--annotation", "org.example.b=<b> & \"c\"", "--annotation", "org.example.a=", "--annotation", "org.example.A=x=y",
			"--annotation", "a\\b=tab\there", "--annotation", "z<&>=line\nline\r\u2028\u2029", "--annotation", "ctl=\x01\b\f\x1f\x7f")}},
		{name: "oras-annotation-order", tool: "oras", children: plain, run: [][]string{oras("create", "a", "--annotation", "😀=1F600", "--annotation", "～=FF5E", "--annotation", "é=E9", "--annotation", "e=65", "--annotation", "10=ten",
			"--annotation", "9=nine", "--annotation", "1=one", "--annotation", "Z=upper", "--annotation", "_=low line", "--annotation", "\ue000=E000", "--annotation", "\uffff=FFFF", "--annotation", "__proto__=p", "--annotation", "toString=t")}},
		{name: "oras-artifact-type", tool: "oras", children: plain, run: [][]string{oras("create", "a", "b", "--artifact-type", "application/vnd.example+type", "--annotation", "k=v")}},
		{name: "oras-artifact-entry", tool: "oras", children: append(images(amd64), artifact), run: [][]string{oras("create", "a", "art")}},
		{name: "oras-update-keeps-members", tool: "oras", children: plain, base: rich, run: [][]string{{"manifest", "index", "update", "--plain-http", "$REPO:base", "--add", "c", "--tag", "list"}}},
		{name: "oras-update-remove-and-type", tool: "oras", children: plain, base: rich, run: [][]string{{"manifest", "index", "update", "--plain-http", "$REPO:base", "--remove", "$a", "--add", "c", "--artifact-type", "application/vnd.example+type", "--tag", "list"}}},
		{name: "oras-merge", tool: "oras", children: plain, base: rich, run: [][]string{oras("create", "c"), oras("update", "--merge", "base")}},
		{name: "buildah-plain", tool: "buildah", children: plain, run: [][]string{buildah("create", "list"), buildah("add", "list", "docker://$REPO:a"), buildah("add", "list", "docker://$REPO:b"), buildah("add", "list", "docker://$REPO:c"), buildah("push")}},
		{name: "buildah-windows", tool: "buildah", children: windows, run: [][]string{buildah("create", "list"), buildah("add", "list", "docker://$REPO:c"), buildah("add", "list", "docker://$REPO:a"), buildah("add", "list", "docker://$REPO:b"), buildah("push")}},
		{name: "buildah-annotated", tool: "buildah", children: plain, run: [][]string{buildah("create", "list"), buildah("add", "--annotation=a=1", "list", "docker://$REPO:a"), buildah("add", "list", "docker://$REPO:b"),
			buildah("annotate", "--os=windows", "--arch=arm64", "--variant=v9", "--os-version=10.0.26100.1", "--os-features=win32k", "--os-features=a", "list", "$b"),
			buildah("annotate", `--annotation="org.example.b=<b> & ""c"""`, "--annotation=org.example.a=", "--annotation=\\=\u2028\u2029\x1f\x7f", "list", "$b"), buildah("push")}},
		{name: "buildah-annotation-order", tool: "buildah", children: plain, run: [][]string{buildah("create", "list"),
			buildah("add", "--annotation=😀=1F600", "--annotation=～=FF5E", "--annotation=é=E9", "--annotation=e=65", "--annotation=10=ten", "--annotation=9=nine", "--annotation=Z=upper", "list", "docker://$REPO:a"), buildah("push")}},
		{name: "buildah-features", tool: "buildah", children: plain, run: [][]string{buildah("create", "list"), buildah("add", "list", "docker://$REPO:a"), buildah("annotate", "--features=sse4", "list", "$a"), buildah("push")}},
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	scenes := map[string]func() []scene{"docker": dockerScenes, "oci": ociScenes}
	if len(os.Args) != 3 || scenes[os.Args[2]] == nil {
		log.Fatal("usage: capture HOST:PORT docker|oci")
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, s := range scenes[os.Args[2]]() {
		check(out.Encode(registry(os.Args[1]).perform(s)))
	}
}
