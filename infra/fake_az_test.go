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
	tenantID      = "99999999-9999-4999-8999-999999999999"
)

// played are the programs that this binary is, under their names. sleep does not wait.
var played = []string{"az", "azd", "sleep"}

func TestMain(m *testing.M) {
	state := os.Getenv(stateVariable)
	program := filepath.Base(os.Args[0])
	if state == "" || !slices.Contains(played, program) {
		os.Exit(m.Run())
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
	case "keyvault secret list":
		result, failure = c.secrets(options)
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
	known := []string{"--method", "--uri", "--headers", "--body", "--query", "--output", "--only-show-errors", "--vault-name", "--name", "--file", "--encoding", "--content-type", "--maxresults"}
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

func notFound() string {
	return `Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource does not exist or one of its queried reference-property objects are not present."}})`
}

// rest is Graph.
func (c *cloud) rest(options map[string][]string) (result any, failure string) {
	path, ok := strings.CutPrefix(one(options, "--uri"), c.Endpoint+"/v1.0")
	method := one(options, "--method")
	if site, ok := between(one(options, "--uri"), "", "/config/configreferences/appsettings/refresh?api-version=2022-03-01"); ok && method == "POST" {
		c.Refreshed = append(c.Refreshed, site)
		return map[string]any{"value": []any{}}, ""
	}
	switch {
	case !ok:
		return nil, "the address is none of this cloud's Graph"
	case c.SignedOut:
		return nil, "Please run 'az login' to setup account."
	case c.Denied && method != "GET":
		return nil, `Forbidden({"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}})`
	}
	var body map[string]any
	if method != "GET" {
		file, ok := strings.CutPrefix(one(options, "--body"), "@")
		if !ok || !slices.Contains(options["--headers"], "Content-Type=application/json") {
			return nil, "Bad Request: a body from a file and its type are wanted"
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err.Error()
		}
		if err := json.Unmarshal(b, &body); err != nil {
			return nil, fmt.Sprintf(`Bad Request({"error":{"code":"BadRequest","message":%q}})`, err)
		}
	}
	create := slices.Contains(options["--headers"], "Prefer=create-if-missing")
	if key, ok := between(path, "/servicePrincipals(appId='", "')"); ok && method == "GET" {
		return find(c.Principals, "appId", key)
	}
	if path == "/servicePrincipals" && method == "POST" {
		body["id"] = fmt.Sprintf("principal-%d", len(c.Principals))
		c.Principals = append(c.Principals, body)
		return body, ""
	}
	rest, ok := strings.CutPrefix(path, "/applications")
	if !ok {
		return nil, notFound()
	}
	return c.applications(method, rest, body, create)
}

func (c *cloud) applications(method, path string, body map[string]any, create bool) (result any, failure string) {
	if key, ok := between(path, "(uniqueName='", "')"); ok {
		app, failure := find(c.Apps, "uniqueName", key)
		switch {
		case method == "GET" || failure != "" && !create:
			return app, failure
		case failure == "":
			return nil, merge(app.(map[string]any), body)
		}
		added := map[string]any{"id": fmt.Sprintf("object-%d", len(c.Apps)), "appId": fmt.Sprintf("55555555-5555-4555-8555-55555555555%d", len(c.Apps)),
			"uniqueName": key, "web": map[string]any{"redirectUris": []any{}}, "groupMembershipClaims": nil, "signInAudience": "AzureADMyOrg", "requiredResourceAccess": []any{}}
		if body["displayName"] == nil {
			return nil, `Bad Request({"error":{"code":"Request_BadRequest","message":"displayName is required"}})`
		}
		if failure := merge(added, body); failure != "" {
			return nil, failure
		}
		c.Apps = append(c.Apps, added)
		return added, ""
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	app, failure := find(c.Apps, "id", id)
	switch {
	case failure != "":
		return nil, failure
	case rest == "" && method == "PATCH":
		return nil, merge(app.(map[string]any), body)
	case rest == "federatedIdentityCredentials" && method == "GET":
		all := []any{}
		for _, f := range c.Credentials[id] {
			all = append(all, f)
		}
		return map[string]any{"value": all}, ""
	}
	name, ok := between(rest, "federatedIdentityCredentials(name='", "')")
	if !ok || method != "PATCH" || !create {
		return nil, notFound()
	}
	if old, failure := find(c.Credentials[id], "name", name); failure == "" {
		return nil, merge(old.(map[string]any), body)
	}
	body["name"] = name
	if c.Credentials == nil {
		c.Credentials = map[string][]map[string]any{}
	}
	c.Credentials[id] = append(c.Credentials[id], body)
	return body, ""
}

// merge is PATCH: members that are named are replaced, those of web one by one.
func merge(app, body map[string]any) (failure string) {
	for name, value := range body {
		switch name {
		case "displayName", "signInAudience", "groupMembershipClaims", "requiredResourceAccess", "issuer", "subject", "audiences", "description":
			app[name] = value
		case "web":
			for member, v := range value.(map[string]any) {
				app["web"].(map[string]any)[member] = v
			}
		default:
			return fmt.Sprintf(`Bad Request({"error":{"code":"Request_BadRequest","message":"Invalid property '%s'."}})`, name)
		}
	}
	return ""
}

func find(all []map[string]any, member, value string) (any, string) {
	for _, one := range all {
		if one[member] == value {
			return one, ""
		}
	}
	return nil, notFound()
}

func between(s, before, after string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	inner, end := strings.CutSuffix(rest, after)
	return inner, ok && end
}

// secrets lists names; values are not to be read by scripts.
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
	return "", "unknown command"
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
	state := filepath.Join(folder, "cloud.json")
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), append(env, stateVariable+"="+state, "PATH="+folder+":"+os.Getenv("PATH"))...)
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
