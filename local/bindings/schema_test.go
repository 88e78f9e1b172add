package bindings

import (
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaRules hold the files against the public schemas, host.json against one that is
// closed: what it does not name is refused, which the public one does in few places.
func schemaRules(t *testing.T) []rule {
	function, host := compile(t, "function.json", false), compile(t, "host.json", true)
	return []rule{
		{"contract 3.3", "function.json is valid against the public schema, read as draft-07", func(all tree) []string {
			var f faults
			for _, n := range all.names() {
				if err := function.Validate(all.functions[n]); err != nil {
					f.add("%s: %v", n, err)
				}
			}
			return f
		}, map[string]change{
			"no name": in("Health", "0/name", nil), "an unknown level": in("Health", "0/authLevel", "everybody"), "a number": in("CalendarWrite", "0/queueName", 7.0),
			"an unknown dataType": in("CalendarWrite", "0/dataType", "base64"),
		}},
		{"contract 4.3", "host.json is valid against the public schema and has no member that it does not know", func(all tree) []string {
			if err := host.Validate(all.host); err != nil {
				return []string{err.Error()}
			}
			return nil
		}, map[string]change{
			"an unknown section": inHost("handler", map[string]any{}), "misspelt in serviceBus": inHost("extensions/serviceBus/maxConcurrentSession", 64.0),
			"undocumented": inHost("customHandler/initializationTimeout", "00:01:00"), "in description": inHost("customHandler/description/workerDirectory", "x"),
			"a time span with days": inHost("extensions/serviceBus/maxAutoLockRenewalDuration", "1.00:00:00"), "minutes": inHost("functionTimeout", "5m"), "a level": inHost("logging/logLevel/default", "Verbose"),
			"no version": inHost("version", nil),
		}},
	}
}

// compile compiles a saved schema. function.json's declares draft-04 but uses a later
// keyword (contract 3.3).
func compile(t *testing.T, name string, closed bool) *jsonschema.Schema {
	t.Helper()
	doc := decode(t, filepath.Join("testdata/schemas", name)).(map[string]any)
	doc["$schema"] = "http://json-schema.org/draft-07/schema#"
	// Ids of the public store; nothing is fetched.
	delete(doc, "id")
	delete(doc, "$id")
	if closed {
		shut(doc)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///"+name, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:///" + name)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// shut closes every object of a schema that lists its members.
func shut(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, lists := v["properties"].(map[string]any); lists && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, inner := range v {
			shut(inner)
		}
	case []any:
		for _, inner := range v {
			shut(inner)
		}
	}
}
