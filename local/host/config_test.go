package host

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestConfigurationFaultsAreRefusedEarly(t *testing.T) {
	trigger := func(more string) string {
		return `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m","connection":"C"` + more + `}]}`
	}
	for _, c := range []struct{ name, host, folder, function, want string }{
		{"no host.json", "", "A", timerFunction, "host.json"},
		{"version", `{"version":"1.0"}`, "A", timerFunction, "version"},
		{"no custom handler", `{"version":"2.0"}`, "A", timerFunction, "defaultExecutablePath"},
		{"not JSON", `{`, "A", timerFunction, "host.json"},
		{"time span", strings.Replace(plainHostJSON, "00:05:00", "5 minutes", 1), "A", timerFunction, "functionTimeout"},
		{"calls per session", strings.Replace(plainHostJSON, `"maxConcurrentSessions":4`, `"maxConcurrentCallsPerSession":2`, 1), "A", timerFunction, "order"},
		{"no functions", plainHostJSON, "", "", "no <Name>/function.json"},
		{"one folder deeper", plainHostJSON, "functions/A", timerFunction, "package first"},
		{"folder name", plainHostJSON, "9a", timerFunction, "function name"},
		{"reserved name", plainHostJSON, "Host", timerFunction, "function name"},
		{"binding name", plainHostJSON, "A", strings.Replace(timerFunction, `"timer",`, `"my_timer",`, 1), "binding name"},
		{"two triggers", plainHostJSON, "A", `{"bindings":[{"type":"timerTrigger","direction":"in","name":"a","schedule":"0 * * * * *"},{"type":"httpTrigger","direction":"in","name":"b"}]}`, "2 triggers"},
		{"no trigger", plainHostJSON, "A", `{"bindings":[]}`, "0 triggers"},
		{"unknown trigger", plainHostJSON, "A", `{"bindings":[{"type":"blobTrigger","direction":"in","name":"a"}]}`, "not known"},
		{"schedule", plainHostJSON, "A", strings.Replace(timerFunction, "0 0 0 1 1 *", "every day", 1), "schedule"},
		{"missing setting", plainHostJSON, "A", strings.Replace(timerFunction, "0 0 0 1 1 *", "%WHEN%", 1), "%WHEN%"},
		{"neither queue nor topic", plainHostJSON, "A", trigger(""), "queueName"},
		{"queue and topic", plainHostJSON, "A", trigger(`,"queueName":"q","topicName":"t"`), "queueName"},
		{"topic without subscription", plainHostJSON, "A", trigger(`,"topicName":"t"`), "subscriptionName"},
		{"stream", plainHostJSON, "A", trigger(`,"queueName":"q","dataType":"stream"`), "dataType"},
		{"sessions of dead letters", plainHostJSON, "A", trigger(`,"queueName":"q/$deadletterqueue","isSessionsEnabled":true`), "dead-letter"},
		{"route", plainHostJSON, "A", httpFunction("anonymous", "a/{b:regex(^[a-z]{2}$)}"), "doubled"},
		{"level", plainHostJSON, "A", httpFunction("system", "a"), "authLevel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if c.host != "" {
				put(t, filepath.Join(root, "host.json"), c.host)
			}
			if c.folder != "" {
				put(t, filepath.Join(root, c.folder, "function.json"), c.function)
			}
			_, err := New(root, Options{Addr: "127.0.0.1:0", Env: []string{}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want it to name %q", err, c.want)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	root := writeRoot(t, plainHostJSON, map[string]string{"A": `{`, "B": `{"bindings":[]}`})
	_, err := New(root, Options{Addr: "127.0.0.1:0", Env: []string{}})
	if err == nil || !strings.Contains(err.Error(), "A/function.json") || !strings.Contains(err.Error(), "B/function.json") {
		t.Errorf("%v", err)
	}
}

func TestSettingsExpandDisableAndOverride(t *testing.T) {
	root := writeRoot(t, plainHostJSON, map[string]string{
		"A": strings.Replace(timerFunction, "0 0 0 1 1 *", "%when%", 1), "B": timerFunction, "C": timerFunction,
	})
	h, err := New(root, Options{Addr: "127.0.0.1:0", Env: []string{
		"WHEN=0 */5 * * * *", "AzureWebJobs.B.Disabled=true", "AzureWebJobs_C_Disabled=1",
		"AzureFunctionsJobHost__functionTimeout=00:01:00", "AzureFunctionsJobHost__extensions__http__routePrefix=x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.listener.Close() }()
	if f := h.named("A"); f.trigger.Schedule != "0 */5 * * * *" || f.disabled || !h.named("B").disabled || !h.named("C").disabled {
		t.Errorf("A %+v, B %v, C %v", f, h.named("B").disabled, h.named("C").disabled)
	}
	if h.config.functionTimeout != time.Minute || h.config.routePrefix != "x" {
		t.Errorf("%v %q", h.config.functionTimeout, h.config.routePrefix)
	}
}

func TestDefaultsOfHostJSON(t *testing.T) {
	root := writeRoot(t, `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"x"}}}`, map[string]string{"A": timerFunction})
	c, err := readConfig(root, settings{})
	if err != nil {
		t.Fatal(err)
	}
	if c.forward || c.functionTimeout != 30*time.Minute || c.routePrefix != "api" || c.initialization != 30*time.Second {
		t.Errorf("%+v", c)
	}
	if b := c.bus; b.maxConcurrentSessions != 8 || b.maxRenewal != 5*time.Minute || b.sessionIdle != time.Minute || !b.autoComplete || b.maxBatch != 1000 {
		t.Errorf("%+v", b)
	}
}

func TestTimeSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:05:00": 5 * time.Minute, "23:59:59": 24*time.Hour - time.Second, "1.02:03:04": 26*time.Hour + 3*time.Minute + 4*time.Second,
		"-00:00:00.0010000": -time.Millisecond, "00:00:00.80": 800 * time.Millisecond,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "5m", "00:60:00", "24:00:00", "x.00:00:00"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// schemaOf compiles a saved schema. function.json's declares draft-04 but uses a later
// keyword: it is read as draft-07 (§3.3).
func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(string(text), "draft-04", "draft-07", 1)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("saved:"+name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("saved:" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func instanceOf(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestWhatTheTestsUseKeepsThePublicSchemas keeps the files of these tests honest.
func TestWhatTheTestsUseKeepsThePublicSchemas(t *testing.T) {
	if err := schemaOf(t, "host.json").Validate(instanceOf(t, plainHostJSON)); err != nil {
		t.Error(err)
	}
	s := schemaOf(t, "function.json")
	files := []string{timerFunction, httpFunction("anonymous", "items/{id}", "get"), busFunction("q", true, binaryData)}
	for _, one := range samples(t) {
		if one.Kind == "request" {
			files = append(files, `{"bindings":[`+string(one.Binding)+`]}`)
		}
	}
	for _, text := range files {
		if err := s.Validate(instanceOf(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzParseFunction checks that no function.json makes the reader panic.
func FuzzParseFunction(f *testing.F) {
	f.Add(timerFunction)
	f.Add(httpFunction("function", "a/{b:int}"))
	f.Add(busFunction("%Q%", true, ""))
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseFunction("A", []byte(text), settings{}) })
}

// FuzzHostJSON checks the same for host.json.
func FuzzHostJSON(f *testing.F) {
	f.Add(plainHostJSON)
	f.Fuzz(func(_ *testing.T, text string) {
		var file hostJSON
		if json.Unmarshal([]byte(text), &file) == nil {
			_, _ = file.config()
		}
	})
}
