package settings

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const sampleFile = "../../local.settings.sample.json"

func sample(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Values map[string]string }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Values
}

// host adds what the Functions host sets for its handler.
func host(values map[string]string) map[string]string {
	values["FUNCTIONS_CUSTOMHANDLER_PORT"] = "40123"
	return values
}

func TestSampleIsAccepted(t *testing.T) {
	if _, err := Read(lookup(host(sample(t)))); err != nil {
		t.Error(err)
	}
}

// Which settings the sample names is held in package infra, where their list is.
func TestSampleHasTheFormOfLocalSettings(t *testing.T) {
	text, err := os.ReadFile("testdata/local.settings.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("local.settings", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("local.settings")
	if err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	file, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(file); err != nil {
		t.Error(err)
	}
}

func TestKeysOfTheSampleAreRefusedWhereOthersCanReachThem(t *testing.T) {
	values := sample(t)
	for _, name := range []string{"TOKEN_KEYSET", "LINK_KEYS"} {
		t.Run(name, func(t *testing.T) {
			got := faultsOf(t, map[string]string{name: values[name]})
			if len(got) == 0 {
				t.Fatal("accepted")
			}
			for _, f := range got {
				if f.Setting != name || f.Detail != sampleRefused {
					t.Errorf("got %q", f)
				}
			}
		})
	}
	t.Run("also when rotated behind others and written otherwise", func(t *testing.T) {
		own := deployed()
		_, second, _ := strings.Cut(values["LINK_KEYS"], ",")
		spaced := strings.ReplaceAll(values["TOKEN_KEYSET"], ":", " : ")
		if got := faultsOf(t, map[string]string{"LINK_KEYS": own["LINK_KEYS"] + "," + second + "=", "TOKEN_KEYSET": spaced}); len(got) != 2 {
			t.Errorf("got %q", got)
		}
	})
}
