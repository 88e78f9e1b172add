package infra_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jmespath/go-jmespath"
)

// The Azure CLI and Microsoft Graph behind it, as far as the scripts here use them.
// The scripts themselves run as they are; only Microsoft's side is played, by this
// test binary under the names az and azd. What it answers follows:
//
//   - Graph, applications and federatedIdentityCredentials: "upsert" (PATCH by
//     uniqueName or name with Prefer: create-if-missing, 201 with the object or 204
//     with nothing), GET by alternate key, 404 Request_ResourceNotFound, 403
//     Authorization_RequestDenied;
//   - az rest: the error text "Not Found({…})" on standard error and exit status 1;
//   - az's table of output tsv: a line per element, tabs within one, None for null.
//
// It refuses what it does not know, so that a misspelt option fails.

// cloud is the state that calls share; it lives in a file.
type cloud struct {
	Endpoint, Login, Tenant string
	SignedOut, Denied       bool
	Apps                    []map[string]any
	Principals              []map[string]any
	Credentials             map[string][]map[string]any // by object id of the app
	Vaults                  map[string]map[string]string
	VaultDenied             int               // so many looks into a vault are refused first
	Refreshed               []string          // resources whose references were told to look again
	Providers               []string          // registered resource providers, with the subscription that was named
	Azd                     map[string]string // the azd environment
	Calls                   []call
}

// call is one command.
type call struct {
	Program string
	Args    []string
}

const (
	stateVariable = "FAKE_CLOUD"
	keysVariable  = "BUILT_KEYS"
	tenantID      = "99999999-9999-4999-8999-999999999999"
)

// played are the programs that this binary is, under their names. sleep does not wait.
var played = []string{"az", "azd", "sleep"}

func TestMain(m *testing.M) {
	state := os.Getenv(stateVariable)
	program := filepath.Base(os.Args[0])
	if state == "" || !slices.Contains(played, program) {
		os.Exit(run(m))
	}
	var c cloud
	b, err := os.ReadFile(state)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	c.Calls = append(c.Calls, call{program, os.Args[1:]})
	answer, failure := c.answer(program, os.Args[1:])
	if b, err = json.Marshal(c); err == nil {
		err = os.WriteFile(state, b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Print(answer)
	if failure != "" {
		fmt.Fprintln(os.Stderr, "ERROR: "+failure)
		os.Exit(1)
	}
	os.Exit(0)
}

// run runs the tests with a folder for what is built once.
func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "infra")
	if err == nil {
		defer func() { _ = os.RemoveAll(folder) }()
		err = os.Setenv(keysVariable, folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return m.Run()
}

func (c *cloud) answer(program string, args []string) (answer, failure string) {
	switch program {
	case "azd":
		return c.azd(args)
	case "sleep":
		return "", ""
	}
	words, options, bad := parse(args)
	if bad != "" {
		return "", bad
	}
	if words[0] == "keyvault" && one(options, "--subscription") != "sub-1" {
		return "", "(AKV10032) Invalid issuer: az is signed in to another tenant"
	}
	var result any
	switch strings.Join(words, " ") {
	case "cloud show":
		result = map[string]any{"name": "AzureCloud", "endpoints": map[string]any{
			"activeDirectory": c.Login, "microsoftGraphResourceId": c.Endpoint + "/"}}
	case "account show":
		if c.SignedOut {
			return "", "Please run 'az login' to setup account."
		}
		result = map[string]any{"tenantId": c.Tenant, "user": map[string]any{"name": "operator@example.com"}}
	case "rest":
		result, failure = c.rest(options)
	case "provider register":
		c.Providers = append(c.Providers, strings.TrimSpace(one(options, "--namespace")+" "+one(options, "--subscription")))
	case "keyvault secret list":
		result, failure = c.secrets(options)
	case "keyvault secret show":
		result, failure = c.secret(options)
	case "keyvault secret set":
		result, failure = c.setSecret(options)
	default:
		return "", "'" + strings.Join(words, " ") + "' is misspelled or not recognized by the system."
	}
	if failure != "" {
		return "", failure
	}
	return show(result, options)
}

// parse splits az's command line; every option may have several values.
func parse(args []string) (words []string, options map[string][]string, failure string) {
	known := []string{"--method", "--uri", "--headers", "--body", "--query", "--output", "--only-show-errors", "--vault-name", "--name", "--file", "--encoding", "--subscription", "--namespace", "--wait"}
	options = map[string][]string{}
	last := ""
	for _, a := range args {
		switch {
		case strings.HasPrefix(a, "--"):
			if !slices.Contains(known, a) {
				return nil, nil, "unrecognized arguments: " + a
			}
			last = a
			options[last] = []string{}
		case last == "":
			words = append(words, a)
		default:
			options[last] = append(options[last], a)
		}
	}
	return words, options, ""
}

func one(options map[string][]string, name string) string { return strings.Join(options[name], " ") }

// show prints as az does: nothing for null, else by --query and --output.
func show(result any, options map[string][]string) (answer, failure string) {
	if query := one(options, "--query"); query != "" && result != nil {
		var err error
		if result, err = jmespath.Search(query, result); err != nil {
			return "", "argument --query: invalid jmespath_type value: " + err.Error()
		}
	}
	switch format := one(options, "--output"); {
	case result == nil || format == "none":
		return "", ""
	case format == "tsv":
		list, ok := result.([]any)
		if !ok {
			list = []any{result}
		}
		var b strings.Builder
		for _, row := range list {
			cells, ok := row.([]any)
			if !ok {
				cells = []any{row}
			}
			for i, cell := range cells {
				if i > 0 {
					b.WriteByte('\t')
				}
				if cell == nil {
					cell = "None"
				}
				fmt.Fprint(&b, cell)
			}
			b.WriteByte('\n')
		}
		return b.String(), ""
	default:
		b, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return "", err.Error()
		}
		return string(b) + "\n", ""
	}
}

// secret is one with its value.
func (c *cloud) secret(options map[string][]string) (any, string) {
	value, ok := c.Vaults[one(options, "--vault-name")][one(options, "--name")]
	if !ok {
		return nil, "(SecretNotFound) A secret with (name/id) " + one(options, "--name") + " was not found in this key vault."
	}
	return map[string]any{"name": one(options, "--name"), "value": value}, ""
}

// secrets lists names.
func (c *cloud) secrets(options map[string][]string) (any, string) {
	vault, ok := c.Vaults[one(options, "--vault-name")]
	if !ok || c.VaultDenied > 0 {
		c.VaultDenied--
		return nil, "(Forbidden) Caller is not authorized to perform action on resource."
	}
	names := []any{}
	for name := range vault {
		names = append(names, map[string]any{"name": name})
	}
	return names, ""
}

func (c *cloud) setSecret(options map[string][]string) (any, string) {
	vault, ok := c.Vaults[one(options, "--vault-name")]
	if !ok {
		return nil, "(Forbidden) Caller is not authorized to perform action on resource."
	}
	if one(options, "--file") != "/dev/stdin" || one(options, "--encoding") != "utf-8" {
		return nil, "the value must come from standard input"
	}
	value, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err.Error()
	}
	vault[one(options, "--name")] = string(value)
	return map[string]any{"name": one(options, "--name"), "value": string(value)}, ""
}

func (c *cloud) azd(args []string) (answer, failure string) {
	if len(args) == 4 && args[0] == "env" && args[1] == "set" {
		if c.Azd == nil {
			c.Azd = map[string]string{}
		}
		c.Azd[args[2]] = args[3]
		return "", ""
	}
	if len(args) == 3 && args[0] == "env" && args[1] == "get-value" {
		if value, ok := c.Azd[args[2]]; ok {
			return value + "\n", ""
		}
		return "", "key '" + args[2] + "' not found in the environment values"
	}
	return "", "unknown command"
}

// keysBinary is cmd/keys, built once for all scripts: they say go run, which takes longer.
func keysBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.Getenv(keysVariable), "keys")
	if _, err := os.Stat(path); err != nil {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/keys")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // whatever the tests are built with
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return path
}

// play runs a script over a cloud, and returns what it said and what became of it.
func play(t *testing.T, c cloud, env []string, script string, args ...string) (after cloud, out, errors string, err error) {
	t.Helper()
	folder := t.TempDir()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range played {
		if err := os.Symlink(binary, filepath.Join(folder, program)); err != nil {
			t.Fatal(err)
		}
	}
	goes := "#!/bin/sh\n[ \"$1 $2\" = 'run ./cmd/keys' ] || exit 9\nshift 2\nexec '" + keysBinary(t) + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(folder, "go"), []byte(goes), 0o700); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(folder, "cloud.json")
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{script}, args...)...)
	// Under the race detector every program would wait a second before it ends.
	cmd.Env = append(os.Environ(), append(env, stateVariable+"="+state, "PATH="+folder+":"+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	if b, err = os.ReadFile(state); err == nil {
		err = json.Unmarshal(b, &after)
	}
	if err != nil {
		t.Fatal(err)
	}
	return after, stdout.String(), stderr.String(), runErr
}

// changes are the calls that change something.
func (c cloud) changes() []string {
	var all []string
	for _, one := range c.Calls {
		line := one.Program + " " + strings.Join(one.Args, " ")
		if strings.Contains(line, "--method P") || strings.Contains(line, " set ") {
			all = append(all, line)
		}
	}
	return all
}
