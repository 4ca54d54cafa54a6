//go:build ignore

// Reference-inputs writes the strings to ask about, a JSON string a line; the same ones on every run.
// Run it in a module that requires distribution/reference v0.6.0 (see ../README.md):
//
//	go run reference-inputs.go | go run references.go > ../references.jsonl
package main

import (
	"encoding/json"
	"log"
	"math/rand"
	"os"
	"slices"
	"strings"
)

const total = 3000

var (
	hex64  = strings.Repeat("0123456789abcdef", 4)
	digest = "sha256:" + hex64
)

// examples holds the cases that a person would think of first.
func examples() []string {
	return []string{
		"ubuntu", "ubuntu:22.04", "docker.io/ubuntu", "index.docker.io/ubuntu", "registry-1.docker.io/library/ubuntu",
		"foo/bar/baz:v1", "localhost/foo", "localhost:5000/foo", "localhost:5000", "localhost", "myhost/foo",
		"myhost:5000/foo", "my.host/foo", "a.b:5", "192.168.0.1:80", "127.0.0.1:5000/a", "[::1]:5000/a:t",
		"[::1]:5000", "::1/a", "[fe80::1%eth0]:5000/a", "[::ffff:1.2.3.4]/a", "Foo/bar", "foo/Bar", "Foo", "foo:BAR",
		"my_host.com/foo", "my_host.com:8080/foo", "x.io/foo__bar", "x.io/foo---bar", "x.io/foo___bar",
		"x.io/foo..bar", "x.io/foo._bar", "x.io/foo-", "x.io/-foo", "x.io/_foo", "x.io/foo/", "x.io/a//b",
		hex64, "x.io/" + hex64, hex64 + ":tag", digest, "x.io/foo@" + digest, "x.io/foo:v1@" + digest,
		"x.io/foo@" + digest[:len(digest)-1], "x.io/foo@sha256:" + strings.ToUpper(hex64), "x.io/foo@blake3:" + hex64,
		"x.io/foo@md5:" + hex64[:32], "x.io/foo@sha256+b64u:" + hex64, "x.io/foo:_tag", "x.io/foo:.tag",
		"x.io/foo:-tag", "x.io/foo:a+b", "https://docker.io/foo", "oci://x.io/foo", "docker://x.io/foo", " ubuntu",
		"ubuntu ", "x.io/föö", "x.io:99999999/foo", "x.io:/foo", "x.io:abc/foo",
		// Docker Hub and its short names
		"library", "library/ubuntu", "library/library", "library/a/b", "docker.io/library", "docker.io/library/ubuntu",
		"docker.io/library/a/b", "docker.io/a/b", "docker.io/a/b:c", "index.docker.io/a/b", "index.docker.io/library/ubuntu:1",
		"index.docker.io", "docker.io", "docker.io:443/foo", "index.docker.io:443/foo", "DOCKER.IO/foo", "Docker.io/foo",
		"INDEX.docker.io/foo", "registry.hub.docker.com/foo", "hub.docker.com/r/foo", "docker.io/docker.io/foo",
		"localhost/localhost", "Localhost/foo", "LOCALHOST/foo", "localhost/", "localhost:/foo", "localhost./foo",
		"library:5000/ubuntu", "docker.io/index.docker.io/a", "docker.io./foo",
		// empty parts
		"", "/", "//", ":", "@", ":@", "a:", "a@", "a:@", ":tag", "@" + digest, "a:@" + digest, "a@:tag", "/a", "a/", "a//b",
		"x.io/", "x.io//a", "x.io/:tag", "x.io/@" + digest, "x.io/a:", "x.io/a@", "x.io/a:b@", "x.io/a:b:c", "x.io/a/:b",
		"a:b:c", "a:b@c", "a@b@c", "a/b:c/d", "a/b:c/D", "a:5000/b:c/d", "a:B/c", "a:5000:6/b", ".", "..", "./a", "../a",
		"a/.", "a/..", "a/./b", "-", "_", "a-", "-a", "_a", "a_", "a.", ".a", "[", "]", "[]", "[]/a", "[:]/a", "[::]/a", "[::]",
		// hosts
		"[::1]/a", "[::1]a/b", "[::1]:/a", "[::1]:80:90/a", "[::1/a", "::1]/a", "[[::1]]/a", "[::1]:x/a", "[::1].com/a",
		"[2001:db8:0:0:0:0:0:1]:5000/a/b:c@" + digest, "[ABCD:ef01::]/a", "[g::1]/a", "[:::::::::]/a", "[12345]/a", "[fe80::1%25eth0]/a",
		"a-.b/c", "-a.b/c", "a.-b/c", "a.b-/c", "a..b/c", ".a.b/c", "a.b./c", "a--b.c/d", "A-B.C:1/d", "a_b/c", "a_b.c/d/e:f",
		"a__b.c/d", "a.b_c/d", "a_b.c/d@" + digest, "a_b.C/d", "my_host.com/a/B", "my_host.com/foo:1@" + digest, "a___b.c/d",
		"1/a", "1.2/a", "1.2.3.4/a", "256.256.256.256/a", "1.2.3.4.5:6/a", "0:0/a", "0:00000/a", "x.io:0/foo", "x.io:65536/foo",
		"x.io:-1/foo", "x.io:+1/foo", "x.io: 1/foo", "x.io:1 /foo", "x.io:１/foo", "xn--bcher-kva.ch/a", "bücher.ch/a",
		"user@host/a", "user:pass@host.io/a", "host.io:1@a/b", "x.io?/a", "x.io/a?b", "x.io/a#b", "x.io/a%20b", "x.io\\a",
		"C:\\images\\a", "C:/images/a", "c:/images/a", "~/a", "*", "x.io/*", "$HOME/a", "a,b", "a=b", "a b/c", "a\"b",
		// the names of things that are not references
		"sha256", "sha256:abc", "library/sha256:" + hex64, "sha512:" + hex64 + hex64, hex64[:63], hex64 + "0", strings.ToUpper(hex64),
		"a/" + hex64, hex64 + "/a", hex64 + "@" + digest, "docker.io/" + hex64, digest + "@" + digest, "http://x.io/a", "file:///a",
		"docker-archive:a.tar", "oci:dir:tag", "dir:a", "containers-storage:a", "ubuntu\n", "\nubuntu", "ubuntu\r\n", "ub\nuntu",
		"ubuntu:latest\n", "ubuntu\t", "ubuntu\u0000", "\u0000", "\ufeffubuntu", "ubuntu\u200b", "ubuntu\u00a0", "ubuntu:\u2028",
		"ubuntu:ſ", "ubuntu:K", "K.io/a", "ſ/a", "É/a", "é/a", "x.io/É", "İ/a", "x.io/ß", "x.io/Σ", "ubuntu:é", "ubuntu:😀", "😀",
		"😀.io/a", "x.io/～", "ubuntu:٣", "x.io:٣/a", "x.io/a@" + "sha256:" + strings.Repeat("٣", 64), "A", "A/b", "A/B", "A:b", "a:B",
		"A/b:C", "Ab/c/d", "aB/c", "a/bC", "a/b/C:d", "A.B/c", "a.b/C", "X.IO/a", "x.io/a:B", "x.io/A:b", "X:1/a", "X:1", "a:b/C",
		"UPPER/x:1@" + digest, "x.IO/a@" + digest, "x.io/a@SHA256:" + hex64, "x.io/a@Sha256:" + hex64, "x.io/A@" + digest,
	}
}

// separators tries every run of up to three separator characters at the start, in the middle, at the end
// of a path component, and every run of up to two in a host.
func separators() []string {
	var out []string
	runs := []string{""}
	for range 3 {
		for _, run := range slices.Clone(runs) {
			for _, c := range []string{".", "_", "-"} {
				if !slices.Contains(runs, run+c) {
					runs = append(runs, run+c)
				}
			}
		}
	}
	for _, run := range runs[1:] {
		out = append(out, "x.io/a"+run+"b")
		if len(run) < 3 {
			out = append(out, "x.io/"+run+"a", "x.io/a"+run, "a"+run+"b", "h"+run+"h.io/a", "x.io/a:"+run, "x.io/a:b"+run+"c", "a"+run+"b/c")
		}
	}
	return append(out, "x.io/a----------b", "x.io/a-_b/c", "x.io/a/b__c--d.e_f", "x.io/a____b", "x.io/a.b.c_d_e__f", "x.io/a/_/b", "x.io/a/-/b")
}

// digests tries algorithms against lengths and letters.
func digests() []string {
	var out []string
	hex := strings.Repeat(hex64, 3)
	sizes := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}
	for _, alg := range []string{"sha256", "sha384", "sha512"} {
		n := sizes[alg]
		for _, m := range []int{n - 1, n, n + 1} {
			out = append(out, "x.io/a@"+alg+":"+hex[:m])
		}
		out = append(out, "a:b@"+alg+":"+hex[:n], "x.io/a@"+alg+":"+hex[:n-1]+"A", "x.io/a@"+alg+":"+hex[:n-1]+"g", "x.io/a@"+alg+":"+hex[:n-1]+"_")
	}
	for _, n := range []int{0, 1, 31, 32, 33, 40, 96, 128} {
		out = append(out, "x.io/a@sha256:"+hex[:n], "b@sha512:"+hex[:n/2])
	}
	for _, alg := range []string{
		"blake3", "md5", "sha1", "sha224", "sha256+b64", "sha256.x", "sha256_x", "sha256-x", "sha", "a", "9", "a9", "9a", "a+9", "a+b9", "a++b",
		"a+", "+a", "", "SHA512", "sHa256", "multihash+base58", "sha256:sha256", "sha256 ", " sha256", "sha²56", "tarsum.v1+sha256", "sha3-256",
	} {
		out = append(out, "x.io/a@"+alg+":"+hex64, "x.io/a@"+alg+":"+hex64[:32])
	}
	return append(out,
		"x.io/a@"+digest+":tag", "x.io/a@"+digest+"@"+digest, "x.io/a@"+digest+"/b", "x.io/a@"+digest+" ", "x.io/a@"+digest+"\n",
		"x.io/a@ "+digest, "x.io/a @"+digest, "a@"+digest, "a:b@"+digest, "a/b@"+digest, "A/b@"+digest, "A@"+digest, "a:B@"+digest,
		"localhost:5000@"+digest, "docker.io/a@"+digest, "index.docker.io/library/a:b@"+digest, "localhost/a@"+digest, "a.b:5@"+digest,
		"x.io/a:latest@"+digest, "library/a@"+digest, "x.io/a@sha256="+hex64, "x.io/a@sha256"+hex64, "x.io/a@@"+digest, "x.io@"+digest,
		"x.io/a:@"+digest, "x.io/a:"+hex64+"@"+digest, "x.io/a:sha256-"+hex64+".sig", "x.io/a:sha256-"+hex64, "a@"+hex64, "a@sha256:",
	)
}

// lengths tries both sides of each limit.
func lengths() []string {
	a := func(n int) string { return strings.Repeat("a", n) }
	var out []string
	for _, n := range []int{127, 128, 129} {
		out = append(out, "x.io/a:"+a(n), "a:"+strings.ToUpper(a(n)), "a/b:"+a(n)+"@"+digest)
	}
	for _, n := range []int{254, 255, 256} {
		out = append(out, "x.io/"+a(n), "docker.io/b/"+a(n-2), "b/"+a(n-2), a(n)+".io/b", "x.io/a/"+strings.Repeat("b/", n/2-2)+a(n-2-2*(n/2-2)))
	}
	for _, n := range []int{246, 247, 248} {
		out = append(out, a(n), a(n)+":t", "docker.io/"+a(n), "index.docker.io/"+a(n), "localhost/library/"+a(n))
	}
	return append(out, a(248)+"@"+digest, "x.io/"+a(256)+":t@"+digest, "x.io/"+a(255)+"/", "x.io/"+strings.ToUpper(a(256)), "my_host.com/"+a(243),
		"my_host.com/"+a(244), a(255)+":5000/b", "x.io/"+a(128)+"__"+a(125), "x.io/"+a(127)+"---"+a(126))
}

// pieces composes references out of parts of the grammar, most of them good.
type pieces struct{ *rand.Rand }

func (r pieces) pick(words ...string) string { return words[r.Intn(len(words))] }

func (r pieces) word(letters string, least, most int) string {
	b := make([]byte, least+r.Intn(most-least+1))
	for i := range b {
		b[i] = letters[r.Intn(len(letters))]
	}
	return string(b)
}

func (r pieces) host() string {
	host := r.pick("docker.io", "index.docker.io", "localhost", "ghcr.io", "quay.io", "x.io", "h", "my-host", "Host", "UPPER.example.com",
		"127.0.0.1", "10.0.0.1", "[::1]", "[fe80::aB]", "a.b.c.d", "a_b.io", "A1", r.word("abcXYZ019-", 1, 5), r.word("ab0.-", 2, 7))
	if r.Intn(3) == 0 {
		host += ":" + r.pick("5000", "80", "443", "0", "65536", "00080", r.word("0123456789", 1, 6))
	}
	return host
}

func (r pieces) component() string {
	c := r.pick("a", "foo", "library", "img", "app", "0", "localhost", r.word("abcdefxyz0189", 1, 6))
	for r.Intn(3) == 0 {
		c += r.pick(".", "_", "__", "-", "--", "-", ".") + r.word("abz09", 1, 3)
	}
	return c
}

func (r pieces) digest() string {
	if r.Intn(12) == 0 {
		return "sha512:" + r.word("0123456789abcdef", 128, 128)
	}
	return r.pick("sha256:", "sha256:", "sha256:", "sha256:", "sha256:", "sha384:") + r.word("0123456789abcdef", 64, 64)
}

func (r pieces) reference() string {
	var s string
	if r.Intn(5) < 3 {
		s = r.host() + "/"
	}
	s += r.component()
	for r.Intn(3) == 0 {
		s += "/" + r.component()
	}
	if r.Intn(2) == 0 {
		s += ":" + r.pick("latest", "v1", "1.2.3", "V1_a-b.C", "_", "5000", "sha256", r.word("abAB_01.-", 1, 8))
	}
	if r.Intn(8) == 0 {
		s += "@" + r.digest()
	}
	return s
}

// mutate makes one or two small changes, each of which may or may not spoil the reference.
func (r pieces) mutate(s string) string {
	runes := []rune(s)
	for range 1 + r.Intn(2) {
		at := r.Intn(len(runes) + 1)
		switch r.Intn(6) {
		case 0, 1:
			odd := []rune(r.pick("/", ":", "@", ".", "_", "-", "A", "Z", "0", "a", " ", "[", "]", "%", "\t", "\n", "é", "😀", "K", "+", "\\", "\x00", "\x7f", "~", "=", "?"))
			runes = slices.Insert(runes, at, odd...)
		case 2:
			if at < len(runes) {
				runes = slices.Delete(runes, at, at+1)
			}
		case 3:
			if at < len(runes) {
				runes[at] = []rune(strings.ToUpper(string(runes[at])))[0]
			}
		case 4:
			if at < len(runes) {
				runes = slices.Insert(runes, at, runes[at])
			}
		case 5:
			if at < len(runes)-1 {
				runes[at], runes[at+1] = runes[at+1], runes[at]
			}
		}
	}
	return string(runes)
}

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	seen := map[string]bool{}
	write := func(s string) {
		if seen[s] {
			return
		}
		seen[s] = true
		if err := out.Encode(s); err != nil {
			log.Fatal(err)
		}
	}
	for _, s := range slices.Concat(examples(), separators(), digests(), lengths()) {
		write(s)
	}
	r := pieces{rand.New(rand.NewSource(1))}
	for len(seen) < total {
		s := r.reference()
		if r.Intn(3) > 0 {
			s = r.mutate(s)
		}
		write(s)
	}
}
