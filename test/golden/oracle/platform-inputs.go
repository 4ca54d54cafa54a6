//go:build ignore

// Platform-inputs writes the specifiers, platforms or lists to ask about, one JSON value a line; the same ones on every run.
// Run it in a module that requires containerd/platforms v1.0.0-rc.4 (see ../README.md), with parse, normalize or select:
//
//	go run platform-inputs.go parse | go run platforms.go parse > ../platform-parse.jsonl
package main

import (
	"encoding/json"
	"log"
	"math/rand"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/image-spec/specs-go/v1"
)

type platform = specs.Platform

var (
	knownOS = strings.Fields("aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos")
	oddOS   = strings.Fields("macos macOS MACOS Linux LINUX Windows Darwin wasi unknown foo linux2 win32 sunos cygwin a-b a_b - _ 0")

	knownArch = strings.Fields("386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm")
	oddArch   = strings.Fields("x86_64 x86-64 X86_64 AMD64 Amd64 i386 I386 i486 i686 x86 x64 aarch64 AArch64 AARCH64 ARM64 aarch64_be arm64v8 armhf ARMHF armel armv5 armv6l armv7l armv7 armv8 armv8l arm32v7 loongarch64 mipsel ppc64el powerpc64le riscv64gc unknown foo")

	armVariants = strings.Fields("v4 v5 v6 v7 v8 v9 4 5 6 7 8 9 V5 V6 V7 V8 v7l v8l armv7 v6k v7.0 8.0 v8.0 v10 softfloat v v-1 v07")
	arm64s      = strings.Fields("v7 v8 v8.0 v8.1 v8.2 v8.3 v8.4 v8.5 v8.6 v8.7 v8.8 v8.9 v8.10 v9 v9.0 v9.1 v9.2 v9.3 v9.4 v9.5 v9.6 v9.7 v9.8 v10 7 8 8.0 8.1 9 9.0 9.2 V8 V8.0 V8.2 V9 V9.0 v8.00 v9.00 armv8 v v8. v8.x")
	amd64s      = strings.Fields("v0 v1 v2 v3 v4 v5 1 2 3 4 V1 V2 V3 v1.0 v2.0 v v02 v-2 vv2 x86-64-v2 sse4")
	otherVars   = strings.Fields("v1 v2 power8 power9 POWER10 rva20u64 rva22u64 RVA23U64 z13 hardfloat softfloat r2 . .. ... - _ 0")

	features = []string{"win32k", "Win32K", "a", "b", "B", "c", "sse4", "gpu.x", "a-b", "a_b", "a+b", "50%", "a/b", "(a)", " ", "é", "～", "😀", "10", "9"}
)

// Versions of windows, in good and in bad shape; each may stand on either side.
var (
	versions = []string{
		"", "10.0.14393", "10.0.17763", "10.0.17763.1", "10.0.17763.5830", "10.0.17763.6532", "10.0.18363.1", "10.0.19042", "10.0.19041.1",
		"10.0.20347", "10.0.20348", "10.0.20348.1", "10.0.20348.2402", "10.0.20348.2655", "10.0.20349", "10.0.22000", "10.0.22621.3", "10.0.25398",
		"10.0.25398.709", "10.0.26099", "10.0.26100", "10.0.26100.1742", "10.0.26101", "10.0.26200", "10.0.26200.6584", "10.0.65535",
		"10.1.20348", "6.3.9600", "11.0.26100", "0.0.20348", "0.0.0.1", "10.0.20348.x.y", "010.00.020348",
	}
	badVersions = []string{
		"0.0.0", "10.0.65536", "10.0.70000", "256.0.26100", "10.256.26100", "10", "10.0", "10.0.", "10..20348", ".0.20348", "10.0.x", "10.0.2034x", "x.y.z",
		"10.0.20348-rc1", " 10.0.20348", "10.0.20348 ", "+10.0.20348", "10.-0.20348", "1_0.0.20348", "0x0a.0.20348", "10,0,20348", "1e1.0.20348",
		"...", "latest", "５.0.20348", "10.0.20348.",
	}
)

type random struct{ *rand.Rand }

func (r random) pick(words []string) string { return words[r.Intn(len(words))] }

func (r random) features(most int) []string {
	var out []string
	for range r.Intn(most + 1) {
		out = append(out, r.pick(features))
	}
	return out
}

// variants that make sense, or nearly so, for an architecture.
func variants(arch string) []string {
	switch strings.ToLower(arch) {
	case "arm", "armhf", "armel":
		return armVariants
	case "arm64", "aarch64":
		return arm64s
	case "amd64", "x86_64", "x86-64", "386", "i386":
		return amd64s
	}
	return otherVars
}

// specifiers are for platforms.Parse: tables first, then mutations of what the tables hold.
func specifiers(r random, write func(string) int) {
	for _, os := range slices.Concat(knownOS, oddOS) {
		for _, s := range []string{os, strings.ToUpper(os), os + "(1.2)", os + "/amd64", os + "/ARM64/V8"} {
			write(s)
		}
	}
	for _, arch := range slices.Concat(knownArch, oddArch) {
		for _, s := range []string{arch, "linux/" + arch, "windows(10.0.20348)/" + arch, "Linux/" + strings.ToUpper(arch), "linux/" + arch + "/v1"} {
			write(s)
		}
	}
	for _, arch := range strings.Fields("arm ARM armhf armel arm64 aarch64 amd64 x86_64 i386 riscv64 ppc64le wasm") {
		for _, v := range variants(arch) {
			write("linux/" + arch + "/" + v)
		}
	}
	for _, version := range slices.Concat(versions, badVersions) {
		write("windows(" + version + ")/amd64")
	}
	for _, options := range []string{
		"()", "(", ")", "(1", "1)", "(1))", "((1))", "(1)(2)", "(1)x", "( )", "(1 )", "(1+)", "(+)", "(++)", "(++a)", "(+a+)", "(+a++b)", "(+a)", "(+a+b)", "(+b+a)",
		"(+a+a)", "(+b+a+b)", "(+A+a)", "(1+a)", "(1+a+b)", "(1.2+win32k)", "(10.0.20348.2402+win32k)", "(a-b_c.d)", "(A.B)", "(1:2)", "(1~2)", "(1,2)", "(1/2)", "(é)",
		"(%)", "(%2)", "(%2f)", "(%2F)", "(%2B)", "(%2b+%2b)", "(%25)", "(%2525)", "(%28%29)", "(%20)", "(+%20)", "(+%20a%20)", "(%00)", "(%zz)", "(+%zz)", "(+a+%4)", "(%41)",
		"(+%41)", "(%e4%bd%a0)", "(+%F0%9F%98%80+%EF%BD%9E)", "(%EF%BD%9E)", "(5.10%2B)", "(1+50%25)", "(+a%2Bb)", "(+%2f)", "(..)", "(.)", "(+..)", "(%2e%2e%2f)", "(-)", "(+-)", "(_+_)",
		"(1+A+b+B+a)", "(+10+9+1)", "(%3Cb%3E)", "(%0A)", "(+%09)", "(+win32k+win32k)",
	} {
		for _, s := range []string{"linux" + options, "linux" + options + "/arm64", "Windows" + options + "/amd64/v2", "linux/arm64" + options} {
			write(s)
		}
	}
	for _, s := range []string{
		"", "/", "//", "///", "////", "linux/", "/linux", "/amd64", "linux//", "linux//v8", "linux/arm/", "linux/arm//", "linux/arm/v7/", "/linux/arm/v7", "linux/arm/v7/x", "linux/arm/v7/x/y",
		"a/b/c/d", "a/b/c/d/e/f", "linux/arm/v7/", "linux/amd64/ /x", "linux/arm64/v8/é", "*", "linux/*", "*/amd64", "linux/arm/*", "linux/amd64/v*", "linux*", "*/*", "a/b/c/*", "*/*/*/*", "linux(*)/amd64",
		" linux", "linux ", "linux /amd64", "linux/ amd64", "linux/amd64 ", "linux/amd64\n", "linux\n", "\tlinux", "linux\u0000", "linux/amd64,linux/arm64", "linux/amd64;", "linux:amd64", "linux\\amd64",
		"linux/am d64", "línux", "linux/ärm", "linux/arm/vé", "linux/ａｒｍ", "linux/arm64/v８", "linuK/arm64", "linux/arm64/😀", "😀", "linux.x", "linux.x/amd64", "a.b", "linux/a.b/c.d", "linux/./v7", "linux/../v7",
		"linux/arm/..", "linux/arm/.", "linux/../..", "linux/.../v7", "-/-/-", "_/_/_", "-", "0/0/0", "linux/arm+v7", "linux+a/arm", "linux/arm%20", "linux%20", "%6cinux", "host", "local", "all", "any", "null",
		"linux/amd64@sha256:abc", "linux=amd64", "os=linux,arch=amd64", "linux-amd64", "linux_amd64", "amd64/linux", "arm64/v8", "arm/v7", "amd64/v2", "x86_64/v1", "ARM/V7", "aarch64/v8", "armhf/v6",
		"arm64(1.0)", "amd64()", "arm(+a)", "armhf()", "foo(1.0)", "foo()", "386()", "windows(10.0.17763)", "windows()", "WINDOWS(10.0.17763)", "windows(10.0.17763", "windows10.0.17763)", "macos(14.1)/arm64", "MacOS(+x)",
		"unknown/unknown", "unknown", "unknown/", "unknown/unknown/unknown", "Unknown/Unknown", strings.Repeat("a", 300), "linux/" + strings.Repeat("a", 300), strings.Repeat("a/", 20),
	} {
		write(s)
	}
	odd := []string{"/", "//", "(", ")", "()", "+", "%", "%2", "%20", "%41", "*", ".", "-", "_", " ", "A", "v", "8", "é", "\n", "(1)", "(+a)", "/v8", "/x"}
	starts := []string{"linux", "linux/amd64", "linux/arm/v7", "linux/arm64/v8", "windows(10.0.20348)/amd64", "windows(10.0.20348+win32k)", "linux(+a+b)/arm64", "linux(5.10+a)/x86_64/v1", "aarch64", "armhf", "macos/arm64/v8.0"}
	for n := 0; n < 1500; {
		s := []rune(r.pick(starts))
		for range 1 + r.Intn(2) {
			at := r.Intn(len(s) + 1)
			if r.Intn(3) == 0 && at < len(s) {
				s = slices.Delete(s, at, at+1)
			} else {
				s = slices.Insert(s, at, []rune(r.pick(odd))...)
			}
		}
		n = write(string(s))
	}
}

// objects are for platforms.Normalize: what Parse can give, and what only a document can hold.
func objects(r random, write func(platform) int) {
	for _, os := range slices.Concat(knownOS, oddOS) {
		write(platform{OS: os, Architecture: "amd64"})
	}
	for _, arch := range slices.Concat(knownArch, oddArch) {
		write(platform{OS: "linux", Architecture: arch})
		write(platform{OS: "linux", Architecture: arch, Variant: r.pick(variants(arch))})
	}
	for _, arch := range []string{"arm", "arm64", "amd64"} {
		for _, v := range variants(arch) {
			write(platform{OS: "linux", Architecture: arch, Variant: v})
		}
	}
	for _, arch := range []string{"armhf", "armel", "Aarch64", "X86_64", "i386", "riscv64", "386"} {
		for _, v := range []string{"v5", "7", "v8", "V8.0", "9.0", "v1", "V1", "v2", "..", "a/b"} {
			write(platform{OS: "linux", Architecture: arch, Variant: v})
		}
	}
	for _, list := range [][]string{
		{"b", "a"}, {"a", "a"}, {"b", "a", "b", "a"}, {"B", "a", "A", "b"}, {""}, {"", "a", ""}, {"10", "9", "1"}, {"a b", "a+b", "a%b", "a(b)", "a/b"}, {"😀", "～"}, {"～", "😀", "～"},
		{"é", "e", "z"}, {"win32k", "win32k"}, {"a\tb", "a\nb"}, {"..", "."}, {"%", "%25"},
	} {
		write(platform{OS: "linux", Architecture: "amd64", OSFeatures: list})
		write(platform{OS: "Windows", Architecture: "x86_64", OSVersion: "10.0.20348.2402", OSFeatures: list})
	}
	for _, version := range []string{"1", "5.10", "A.B", "a+b", "(x)", "50%", "a/b", "a/../b", "..", " ", "%2F", "é", "<&>", "\u2028", "\u0000", "\\\""} {
		write(platform{OS: "windows", Architecture: "amd64", OSVersion: version})
		write(platform{OS: "MacOS", Architecture: "AArch64", OSVersion: version, Variant: "v8"})
	}
	for _, p := range []platform{
		{OS: "linux"}, {OS: "linux", Variant: "v7"}, {OS: "unknown", Architecture: "unknown"}, {OS: "linux", Architecture: ".."}, {OS: "linux", Architecture: "a/b", Variant: "c"},
		{OS: "linux", Architecture: "/arm"}, {OS: ".", Architecture: "arm"}, {OS: "..", Architecture: "arm"}, {OS: "/linux", Architecture: "arm/"}, {OS: "linux", Architecture: " arm", Variant: "v7 "},
		{OS: " linux", Architecture: "amd64"}, {OS: "lin(ux)", Architecture: "amd64"}, {OS: "linux/arm", Architecture: "v7"}, {OS: "l%n", Architecture: "a+b", Variant: "*"},
		{OS: "MACOS", Architecture: "ARMHF"}, {OS: "macos", Architecture: "ArmEL", Variant: "V7"}, {OS: "linux", Architecture: "ARM", Variant: "V7"}, {OS: "Linux", Architecture: "Arm64", Variant: "V8.0"},
	} {
		write(p)
	}
	for n := 0; n < 600; {
		arch := r.pick(slices.Concat(knownArch, oddArch))
		p := platform{OS: r.pick(slices.Concat([]string{"linux", "linux", "windows"}, knownOS, oddOS)), Architecture: arch, OSFeatures: r.features(4)}
		if r.Intn(2) == 0 {
			p.Variant = r.pick(variants(arch))
		}
		if r.Intn(4) == 0 {
			p.OSVersion = r.pick(slices.Concat(versions, badVersions))
		}
		n = write(p)
	}
}

type question struct {
	Entries []*platform `json:"entries"`
	Wanted  platform    `json:"wanted"`
}

func linux(arch, variant string, features ...string) platform {
	return platform{OS: "linux", Architecture: arch, Variant: variant, OSFeatures: features}
}

func windows(version string, features ...string) platform {
	return platform{OS: "windows", Architecture: "amd64", OSVersion: version, OSFeatures: features}
}

// lists asks which entries of a list a host takes. A pool of entries around each kind of host is dealt out in
// full, eight a list, to every host of that kind; after that come random hands, with strangers, twins and
// entries without a platform among them.
func lists(r random, write func(question) int) {
	all := func(arch string, variants []string) []platform {
		out := []platform{linux(arch, "")}
		for _, v := range variants {
			out = append(out, linux(arch, v))
		}
		return out
	}
	goodArm := strings.Fields("v4 v5 v6 v7 v8 7 8 V6 v9 v7l")
	x86 := slices.Concat(all("amd64", strings.Fields("v1 v2 v3 v4 v5 2 V3 V1 v0")), []platform{linux("386", ""), linux("386", "sse2"), linux("i386", "v1"), linux("x86_64", ""), linux("x86-64", "v2"), linux("AMD64", ""), linux("x86", ""), linux("amd64p32", "")})
	arms := slices.Concat(all("arm", goodArm), all("arm64", arm64s[1:]), []platform{linux("aarch64", "v8"), linux("AArch64", ""), linux("armhf", ""), linux("armel", ""), linux("armhf", "v6"), linux("armv7l", ""), linux("arm64be", "")})
	rest := slices.Concat(all("ppc64le", []string{"power8", "power9", "POWER9"}), all("riscv64", []string{"rva20u64", "rva22u64"}), all("s390x", []string{"z13"}), all("mips64le", []string{"hardfloat"}), all("wasm", nil), all("loong64", nil))
	var win, winBad []platform
	for _, v := range versions {
		win = append(win, windows(v))
	}
	for _, v := range badVersions {
		winBad = append(winBad, windows(v))
	}
	winMore := []platform{
		windows("10.0.20348", "win32k"), windows("10.0.20348", "win32k", "win32k"), windows("10.0.20348", "a"), windows("10.0.20348", "win32k", "a"), windows("10.0.20348", "Win32k"), windows("10.0.20348", "a", "b"),
		{OS: "windows", Architecture: "arm64", OSVersion: "10.0.26100.1"}, {OS: "windows", Architecture: "386", OSVersion: "10.0.20348"}, {OS: "Windows", Architecture: "x86_64", OSVersion: "10.0.20348.1"},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348", Variant: "v2"}, {OS: "linux", Architecture: "amd64", OSVersion: "10.0.20348"},
	}
	featured := []platform{
		linux("amd64", "", "a"), linux("amd64", "", "b"), linux("amd64", "", "a", "b"), linux("amd64", "", "b", "a"), linux("amd64", "", "a", "a"), linux("amd64", "", "a", "b", "c"), linux("amd64", ""), linux("amd64", "v1", "a"),
		linux("386", "", "a", "b"), linux("amd64", "v2", "a"), linux("amd64", "", "A"), linux("amd64", "", "win32k"), linux("amd64", "", ""), linux("arm64", "v8", "a"), linux("amd64", "", "😀", "～"), {OS: "linux", Architecture: "amd64", OSVersion: "5.10", OSFeatures: []string{"a"}},
	}
	others := []platform{{OS: "darwin", Architecture: "arm64"}, {OS: "macos", Architecture: "aarch64", Variant: "v8"}, {OS: "darwin", Architecture: "amd64"}, {OS: "freebsd", Architecture: "amd64"}, {OS: "unknown", Architecture: "unknown"}, {OS: "wasip1", Architecture: "wasm"}, {OS: "Linux", Architecture: "amd64"}, {OS: "linux"}}

	deal := func(hosts, pool []platform) {
		for _, host := range hosts {
			order := r.Perm(len(pool))
			for hand := range slices.Chunk(order, 8) {
				var entries []*platform
				for _, i := range hand {
					entries = append(entries, &pool[i])
				}
				write(question{Entries: entries, Wanted: host})
			}
		}
	}
	deal(x86, x86)
	deal(slices.Concat(all("arm", goodArm), all("arm64", arm64s)), arms)
	deal(rest, rest)
	deal(win, slices.Concat(win, winBad))
	winHosts := []platform{
		windows(""), windows("10.0.20348"), windows("10.0.26100", "win32k"), windows("10.0.20348", "a"), windows("10.0.20348", "a", "win32k"), windows("10.0.20348", "b", "a", "b"), windows("10.0.17763"),
		{OS: "windows", Architecture: "arm64", OSVersion: "10.0.26100"}, {OS: "windows", Architecture: "386", OSVersion: "10.0.20348"}, {OS: "windows", Architecture: "amd64", Variant: "v3", OSVersion: "10.0.20348"}, {OS: "Windows", Architecture: "X86_64", OSVersion: "10.0.20348.1"},
	}
	deal(winHosts, winMore)
	featuredHosts := []platform{linux("amd64", ""), linux("amd64", "", "a"), linux("amd64", "", "b", "a"), linux("amd64", "v2", "a", "b", "c"), linux("amd64", "", "a", "a"), linux("amd64", "", "～", "😀"), linux("amd64", "", "win32k"), linux("386", "", "a", "b"), linux("arm64", "", "a")}
	deal(featuredHosts, featured)
	deal(others, others)

	kinds := []struct{ hosts, pool []platform }{
		{x86, x86}, {slices.Concat(all("arm", goodArm), all("arm64", arm64s)), arms}, {rest, rest}, {win, slices.Concat(win, winMore)}, {winBad, slices.Concat(win, winBad)}, {winHosts, winMore}, {featuredHosts, featured}, {others, others},
	}
	strangers := slices.Concat(x86, arms, rest, winMore, featured, others)
	for n := 0; n < 1500; {
		kind := kinds[r.Intn(len(kinds))]
		wanted := kind.hosts[r.Intn(len(kind.hosts))]
		entries := []*platform{}
		for range r.Intn(9) {
			switch r.Intn(8) {
			case 0:
				entries = append(entries, nil)
			case 1:
				entries = append(entries, &strangers[r.Intn(len(strangers))])
			case 2:
				if len(entries) > 0 {
					entries = append(entries, entries[r.Intn(len(entries))])
				}
			case 3:
				entries = append(entries, &wanted)
			default:
				entries = append(entries, &kind.pool[r.Intn(len(kind.pool))])
			}
		}
		n = write(question{Entries: entries, Wanted: wanted})
	}
}

// once writes each value that it has not seen, and says how many there are by now.
func once[T any]() func(T) int {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	seen := map[string]bool{}
	return func(value T) int {
		key, err := json.Marshal(value)
		if err == nil && !seen[string(key)] {
			seen[string(key)] = true
			err = out.Encode(value)
		}
		if err != nil {
			log.Fatal(err)
		}
		return len(seen)
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: platform-inputs parse|normalize|select")
	}
	r := random{rand.New(rand.NewSource(1))}
	switch os.Args[1] {
	case "parse":
		specifiers(r, once[string]())
	case "normalize":
		objects(r, once[platform]())
	case "select":
		lists(r, once[question]())
	default:
		log.Fatalf("what is %q?", os.Args[1])
	}
}
