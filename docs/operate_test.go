// Package docs holds the tests of documents that no other package runs.
package docs

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const operate = "operate.md"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const number = `\d[\d,]*(?:\.\d+)?`

var (
	equation = regexp.MustCompile(`((?:` + number + `)(?: [×÷+−] ` + number + `)+) = (` + number + `)`)
	block    = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
)

// Each sum and product of the costs comes out as it is written, to the last digit shown.
func TestTheCostsAreAddedUpRight(t *testing.T) {
	_, costs, ok := strings.Cut(read(t, operate), "\n## What it costs\n")
	if !ok {
		t.Fatal("there is no section on costs")
	}
	costs, _, _ = strings.Cut(costs, "\n## ")
	all := equation.FindAllStringSubmatch(costs, -1)
	if len(all) < 40 {
		t.Errorf("only %d sums were found", len(all))
	}
	for _, e := range all {
		_, digits, _ := strings.Cut(e[2], ".")
		if got, want := value(t, e[1]), parse(t, e[2]); math.Abs(got-want) > 0.5000001*math.Pow10(-len(digits)) {
			t.Errorf("%s: it is %v", e[0], got)
		}
	}
}

// value calculates products before sums.
func value(t *testing.T, expression string) float64 {
	words := strings.Fields(expression)
	sum, sign, product := 0.0, 1.0, parse(t, words[0])
	for i := 1; i < len(words); i += 2 {
		next := parse(t, words[i+1])
		switch words[i] {
		case "×":
			product *= next
		case "÷":
			product /= next
		default:
			sum += sign * product
			sign, product = 1, next
			if words[i] == "−" {
				sign = -1
			}
		}
	}
	return sum + sign*product
}

func parse(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What was never run is said to be so: every command that needs Azure is listed, and
// nothing stands in a block of a kind that nobody looks at.
func TestCommandsThatWereNeverRunAreListed(t *testing.T) {
	page := read(t, operate)
	_, list, ok := strings.Cut(page, "\n## What was never run\n")
	if !ok {
		t.Fatal("there is no list")
	}
	found := map[string]int{}
	for _, b := range block.FindAllStringSubmatch(page, -1) {
		found[b[1]]++
		switch b[1] {
		case "sh", "bash":
		case "azurecli":
			commands := azure.FindAllStringSubmatch(b[2], -1)
			if lines := strings.Count(b[2], "\n"); len(commands) < lines {
				t.Errorf("of %d lines only %d begin with a command that is known here:\n%s", lines, len(commands), b[2])
			}
			for _, command := range commands {
				if !strings.Contains(list, "`"+command[1]+"`") {
					t.Errorf("%s is not in the list", command[1])
				}
			}
		default:
			t.Errorf("a block of kind %q", b[1])
		}
	}
	if found["azurecli"] < 5 || found["bash"] < 2 || found["sh"] < 5 {
		t.Errorf("blocks found: %v", found)
	}
}

var (
	// azure is a command of Azure's without what is given to it: az keyvault secret show.
	azure = regexp.MustCompile(`(?m)(?:^ *(?:VERSION=\S+ )?|[|(] ?)(azd?(?: [a-z][a-z0-9-]*)*|git checkout|infra/[a-z/]+\.sh)`)
	// alert is one that infra/ makes; what a loop adds to its name is left out.
	alert    = regexp.MustCompile(`name: '(calbridge-[a-z-]+?)-?(?:\$|')`)
	variable = regexp.MustCompile(`\$\{([A-Z_]+)`)
)

// Every alert that the deployment makes is explained, and everything that can be chosen.
func TestEveryAlertAndEveryChoiceOfTheDeploymentIsExplained(t *testing.T) {
	page := read(t, operate)
	files, err := filepath.Glob("../infra/app/*.bicep")
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, name := range append(files, "../infra/main.bicep") {
		for _, a := range alert.FindAllStringSubmatch(read(t, name), -1) {
			if a[1] == "calbridge-operators" { // who is told
				continue
			}
			if alerts++; !strings.Contains(page, "\n| `"+a[1]) {
				t.Errorf("%s is not explained", a[1])
			}
		}
	}
	if alerts < 11 {
		t.Errorf("only %d alerts were found", alerts)
	}
	for _, v := range variable.FindAllStringSubmatch(read(t, "../infra/main.parameters.json"), -1) {
		if !strings.Contains(page, "`"+v[1]+"`") {
			t.Errorf("%s is not explained", v[1])
		}
	}
}

// Whoever chooses nothing reads here what they get.
func TestTheDefaultsThatAreToldAreThoseOfTheDeployment(t *testing.T) {
	page := read(t, operate)
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)=([^}]+)\}`).FindAllStringSubmatch(read(t, "../infra/main.parameters.json"), -1) {
		row := regexp.MustCompile("(?m)^\\| [^|]*`" + m[1] + "`[^|]*\\| ([^|]*) \\|").FindStringSubmatch(page)
		if row == nil || !strings.Contains(row[1], m[2]) {
			t.Errorf("%s is %s, and the page says %q", m[1], m[2], row)
		}
		defaults[m[1]] = m[2]
	}
	if len(defaults) < 15 {
		t.Errorf("only %d defaults were found", len(defaults))
	}
	for _, told := range []string{
		"a function failed more than " + defaults["CALBRIDGE_ALERT_FAILURES"] + " times in 15 minutes",
		"more than " + defaults["CALBRIDGE_ALERT_ERRORS"] + " error lines in 15 minutes",
		"at " + defaults["CALBRIDGE_INSTANCE_MEMORY_MB"] + " MB of memory",
	} {
		if !strings.Contains(page, told) {
			t.Errorf("the page does not say %q", told)
		}
	}
	if seconds := parse(t, defaults["CALBRIDGE_ALERT_LATE_SECONDS"]); !strings.Contains(page, fmt.Sprintf("had waited for %v minutes", seconds/60)) {
		t.Errorf("late is %v seconds", seconds)
	}
}

// The idle bus is counted with what host.json and functions/ have.
func TestIdleAcceptsAreCountedWithTheSlotsOfTheHost(t *testing.T) {
	var host struct {
		Extensions struct {
			ServiceBus struct{ MaxConcurrentSessions, MaxConcurrentCalls int }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../host.json")), &host); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../functions/*/function.json")
	if err != nil {
		t.Fatal(err)
	}
	sessions, plain := 0, 0
	for _, file := range files {
		switch f := read(t, file); {
		case strings.Contains(f, `"isSessionsEnabled": true`):
			sessions++
		case strings.Contains(f, `"serviceBusTrigger"`):
			plain++
		}
	}
	page, bus := read(t, operate), host.Extensions.ServiceBus
	for _, sum := range []string{
		fmt.Sprintf("%d × 60 × 720 = 2,764,800", bus.MaxConcurrentSessions),
		fmt.Sprintf("%d × 2,764,800 = ", sessions),
		fmt.Sprintf("%d × %d × 60 × 720 = 5,529,600", plain, bus.MaxConcurrentCalls),
	} {
		if !strings.Contains(page, sum) {
			t.Errorf("the page does not count %s", sum)
		}
	}
}

// Commands of this repository run as they stand, in the order of the page, in one shell.
func TestCommandsOfThisRepositoryRun(t *testing.T) {
	script := "set -euo pipefail\n"
	for _, b := range block.FindAllStringSubmatch(read(t, operate), -1) {
		if b[1] == "bash" {
			script += b[2]
		}
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Dir = ".."
	shell.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
